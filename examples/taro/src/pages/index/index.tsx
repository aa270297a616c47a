import { Button, Text, View } from '@tarojs/components';
import { useEffect, useState } from 'react';
import type { RequestError } from 'nestjs-wechat-miniprogram';
import { type Me, fetchMe, uploadAvatar } from '../../profile';

// #region page
export default function Index() {
  const [me, setMe] = useState<Me>();
  const [percent, setPercent] = useState<number>();
  const [problem, setProblem] = useState('');
  const show = ({ error, msg }: RequestError) => error !== 'ERR_ABORTED' && setProblem(msg);

  useEffect(() => {
    const request = fetchMe();
    request.then(setMe, show);
    return () => request.abort(); // the user has left the page
  }, []);

  return (
    <View>
      <Text>{me ? me.openid : problem}</Text>
      <Button
        openType="chooseAvatar"
        onChooseAvatar={({ detail }) =>
          uploadAvatar(detail.avatarUrl, setPercent).then(setMe, show)
        }
      >
        {percent === undefined ? '选择头像 · Choose an avatar' : `${percent} %`}
      </Button>
    </View>
  );
}
// #endregion page
