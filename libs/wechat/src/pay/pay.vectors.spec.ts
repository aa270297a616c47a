import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  verify,
  X509Certificate,
} from 'node:crypto';
import { decryptPayResource } from './pay.resource.js';
import {
  checkSignature,
  paymentText,
  requestText,
  signAppPayment,
  signRequestPayment,
} from './pay.signature.js';

/* Test vectors that WeChat and its SDKs publish. The private keys are not published, so the texts are verified, not signed. */

const DOCUMENTATION_KEY = createPublicKey(`-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAptpm+qvIDCh/9wjU26SQ
CK26ogYkBhDrYxnAaw2JbbBsp1oDbHKk+1r381NeBUG2HEFAuU+Fr72u5ot3yKdz
oF/FajAzQNKnm569/D3upKoi8mYBaST15Uig8j8qoUW1U217LL0jEHlSnHV3lcaD
TXqDpTRR4Bfz9IqOgJgFZ8/oTfEomSrjrLYef81Eyxr7ZIMQXEKKEK7V4UXKS0+/
fDsiG/cXidhzt8UbTL9vqXqxM2+IDImyO+FAc/tkBG55LmzxPto1Nq0WbnZzRM/w
Tzrd0I/8NlevxtFbphg4evlHjFNI7+GrqR87ViEwuAJJ9Je5QQjct5YJfFRWiZ5C
MQIDAQAB
-----END PUBLIC KEY-----`);
const GO_SDK_KEY = createPublicKey(`-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2VCTd91fnUn73Xy9DLvt
/V62TVxRTEEstVdeRaZ3B3leO0pldE806mXO4RwdHXagHQ4vGeZN0yqm++rDsGK+
U3AH7kejyD2pXshNP9Cq5YwbptiLGtjcquw4HNxJQUOmDeJf2vg6byms9RUipiq4
SzbJKqJFlUpbuIPDpSpWz10PYmyCNeDGUUK65E5h2B834uxl1zNLYQCrkdBzb8oU
xwYeP5a2DNxmjL5lsJML7DGr5znsevnoqGRwTm9fxCGfy8wus7hwKz6clt3Whmmd
a7UAdb1c08hEQFVRbF14AR73xbnd8N0obCWJPCbzMCtkaSef4FdEEgEXJiw0VAJT
8wIDAQAB
-----END PUBLIC KEY-----`);
const MESSAGE = { timestamp: '1554208460', nonce: '593BEC0C930BF1AFEB40B4A08C8FB242' };

const isSigned = (text: string, key: typeof GO_SDK_KEY, signature: string): boolean =>
  verify('sha256', Buffer.from(text), key, Buffer.from(signature, 'base64'));

describe('the published vectors of WeChat Pay', () => {
  it('P1: a GET is signed with its path and an empty body', () => {
    const { timestamp, nonce } = MESSAGE;
    const url = '/v3/refund/domestic/refunds/123123123123';
    const signature =
      'Lc9VXxmeonkdV8Xk9tmigQFLhl0vRWTerdmoRu01aAnYwIrD/5nsSwE1WlmZGLRlAFTNQ3QsMa0+VRDlJp1Wp5p0nO8EK68b5sJBbjouxaFciIfq1zfDWWz+jqhcMoKXI1A6dPm1AW7D4d30WsMTNzp6g23OXakIsh9LO3lUmwvTuE0BY8ncf6tNGk4wKmvXwERd/ZpoQY3MAVKz+Nakwc+2XBmzT66KcUehU5kr4IvGa/lEU5RZb/q00zP9VLdBhC/jQSX3X1UcJLCtEc4gTmib4tnmAT+bHF/e17ZAuxDNcx6rqT8gNEXqaJGG+1OflMSTU2tpyG65G4dMKdFcoA==';
    expect(
      isSigned(requestText('GET', url, timestamp, nonce, ''), DOCUMENTATION_KEY, signature),
    ).toBe(true);
    expect(
      isSigned(requestText('GET', `${url}?`, timestamp, nonce, ''), DOCUMENTATION_KEY, signature),
    ).toBe(false);
  });

  it('P2: a POST is signed with the exact bytes of its body, in UTF-8', () => {
    const { timestamp, nonce } = MESSAGE;
    const body =
      '{"appid":"wxd678efh567hg6787","mchid":"1900007291","description":"Image形象店-深圳腾大-QQ公仔","out_trade_no":"1217752501201407033233368018","notify_url":"https://www.weixin.qq.com/wxpay/pay.php","amount":{"total":100,"currency":"CNY"},"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}}';
    const signature =
      'jnks4dlrPw3ZX+ozVvSK39oa0t7OMBsg83BHAwd8BRdUFiVaQNTLTvci+wURgP1OQBbKYhFGvt7iqYpDSTQkp7Uq1sltaQKyncCyrA1g88m5bsKERQfPyT0ahSwKTYJ1CAn9QiJuSJRq1QsQs07eehbU/k9BCS51jTyc1Jpsi2H77HF9f/BnjXAOP3/sPObg6V5Ee4EzwLox684hhuMuIwHo7D8KFk3LIHOKDcNI4It1aCXydFWNpNK+SG86VUDe5kwoDpw4Ulqfu9z8OFDGbDs9TCxEv8iqQzbpxOlEVoOe2kalSYM5kApQb3nZcxdUtoE0liJGW3RGUNE0t4v01A==';
    const text = (bytes: string) =>
      requestText('POST', '/v3/pay/transactions/jsapi', timestamp, nonce, bytes);
    expect(Buffer.byteLength(body)).toBe(295);
    expect(isSigned(text(body), DOCUMENTATION_KEY, signature)).toBe(true);
    expect(
      isSigned(text(JSON.stringify(JSON.parse(body), null, 1)), DOCUMENTATION_KEY, signature),
    ).toBe(false);
  });

  it('P3: wx.requestPayment is signed with "prepay_id=" and its id', () => {
    const { timestamp, nonce } = MESSAGE;
    const prepay = 'prepay_id=wx201410272009395522657a690389285100';
    const signature =
      'mI35pfNEQV6777ke/1T+LJLQDNTm7yeoUJH+j/adPGhmCCi0PbgkvYQTRcXH0uibcLVtvFLdGLpmoYO9FV6lBBsTAjuhh5YOvQi0e2g3e0yytitiNET9FEuqM0pjnKfRW4K6LIZDdbWJv9KhZUx3DrJa5TL7OJ7VdADVivxVySIlPVKjGwuCXzuXSJes0UcILgWQUMyha5/3nYofuHtS7r+KYyMuxD+oJ9VM1Qdxk4UIG59CP5Y3wtYIFybyF3bdu1caHTRRX+DLyMXyYA/IrTmiW01c4RPjpHBX5Dk1sZyY1zVsWNsvMHr2e1NTWtBxKJ+qk5N61J7caYoepHFaxw==';
    expect(
      isSigned(
        paymentText('wx2421b1c4370ec43b', timestamp, nonce, prepay),
        DOCUMENTATION_KEY,
        signature,
      ),
    ).toBe(true);
  });

  it('P5: the signature is RSASSA-PKCS1-v1_5 with SHA-256', () => {
    const signature =
      'BKyAfU4iMCuvXMXS0Wzam3V/cnxZ+JaqigPM5OhljS2iOT95OO6Fsuml2JkFANJU9K6q9bLlDhPXuoVz+pp4hAm6pHU4ld815U4jsKu1RkyaII+1CYBUYC8TK0XtJ8FwUXXz8vZHh58rrAVN1XwNyvD1vfpxrMT4SL536GLwvpUHlCqIMzoZUguLli/K8V29QiOhuH6IEqLNJn8e9b3nwNcQ7be3CzYGpDAKBfDGPCqCv8Rw5zndhlffk2FEA70G4hvMwe51qMN/RAJbknXG23bSlObuTCN7Ndj1aJGH6/L+hdwfLpUtJm4QYVazzW7DFD27EpSQEqA8bX9+8m1rLg==';
    expect(isSigned('source', GO_SDK_KEY, signature)).toBe(true);
  });

  it('P6, P7: a 16-byte key is refused, and a 32-byte key decrypts', () => {
    const resource = (nonce: string, associated_data: string, ciphertext: string) => ({
      algorithm: 'AEAD_AES_256_GCM',
      nonce,
      associated_data,
      ciphertext,
    });
    expect(() =>
      decryptPayResource({
        resource: resource(
          'wCq51qZv4Yfg',
          'Dl56FrqWQJF1t9LtC3vEUsniZKvbqdR8',
          'FsdXzxryWfKwvLJKf8LG/ToRPTRh8RN9wROC',
        ),
        apiV3Key: 'testAPIv3Key0000',
      }),
    ).toThrow('apiV3Key must have 32 bytes');
    expect(
      decryptPayResource({
        resource: resource('uluk4a9R25RW', 'associatedData', 'ulwSiIajGClcvcOYvOQ7+l+0PAbzzwI='),
        apiV3Key: 'a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb',
      }),
    ).toBe('message');
  });

  it('P8: a platform certificate decrypts to PEM with its serial number', () => {
    const pem = decryptPayResource({
      resource: {
        algorithm: 'AEAD_AES_256_GCM',
        nonce: '14b16c03dc1b',
        associated_data: 'certificate',
        ciphertext:
          'Mr/AxbvY+WL9hKlD5nIa03LOMPpn5f+CWeNxE4ujl0f5gXZ9XLJ9CldkArCOTsbU62XgKnTc3YvRMZQ7wCmE2fzwmAenAySTYsPms72JhggPWfdqVxri9YD5wBYKn8Ck0Fc5JIiVw9WlN2oxHBz83mRVsjoTGC5+cX1CdYqKuZ8pkvi0aCJIq07ZC8MHoTowUz+4jYJy9XeKqip83Z7BmUYxsePpNM+HtihBqTJIUYXJfX7Col5X0ACsApRoU9l6swfW/kzvqNpDJavhDBGasLrr5822+Fk5nVkcTi53f8Wbue7ODWjJxj1yhRYcxFCvXLtpYNB+Qa1aXtrBSdBdBI2p7o+6Imn+auHLBCzkrZqF/yd+d4vTn4tqHPLUj89XcHsMf96uBo3T/HQV8LEDeIO+6YvOK9FrIDYsvp+imN4n/mnF7eJKo9mpN/QqWJiawrFpAmMMxFKBjIdpgMnVUl3Z11RcWKyfOJ3kcmItTWcnZFNyDgR9cS0aU6QPlefa3uUW89uzBuHjcFdDl43yU3LE4qZnHLDcDgx4qt0OFCLiy51GXtEpyYs5k99YJBvKK+RyIs4Yc1/smBmClQUhxW+8bsPNOcXfDvH2yX4YzESoO4TV0RqiCgnsSd4zIFyJPiMKIGzVHiw6Kg0eGCmB4mGHEEZCQ0eN3SSPO0QVjjtBYfgXDZfVHSaAB8PjWBVNFimoViZZQrwT6Ygo0LU0Dd8+F5aHFYr4OPHPslr3hrgutEYXDTv1vTA6ABJGqknJ9Y2vtyWpy7aIwxc0kQq/1ezjs+RMVL/LRpGDnbx1/CGPDjZhYgZypKa55+PDhoaQxqkF3xCLz2DGoNHZYmFqxzAOsAK0vJZw4VcAk6ssbA6YIaMuiemEpxfLC9ZiXtRqsX9s+GWjjtA8JywOFMO+NKZm9BH/E5YNg2DDD3sHG9Mciwn7yJ6sdf8h2lAWlEExAOeiBNyshOHAQ0/S+x1ncWNiqY+Uh5n0rtonvePV2MsxVlEWR3AVHn1abcEWkzivd+G5kg7LYO0goqzGClcQfnFfZdO6KwcMXsBCnm9A1Bl4+k5LLokTIYH5/36SRIZ9j0CHGD77BQLE7x8AlNsoFS2m263tLLq78TFqvZUTIZIQcVIl+NInscS3xQbA38qqFqutCWIwoF1azuJ7woiJyMvnS3xzIpNzP+rzJ8VDXxjLjpEUBOC9WDs74+QMtsAdmh6g0KDclHEk8WJ4P2bnso4z3VCGoDT5X/0bS1C+jMZMKaOCNB21FZ08qgUHmKeDeg8ylENu+mh2Y/AaEDSGkGBHIfFbhMYO3uRxhk9hldiHEnHgdkXiVAAUWk/IhtmGijibO/L76vB74Xpes973uK+2iFKgNBk8qTLLZZnuWbcMQuA6VsFULRb/C+q9B21YuAWPMzvgBwr4EX2m/OpF5w8Q0HL7v1H5H0mIGJbrjnklUPoBYrw30W3uk7yF0KE6sfMukafFx0S9rBOL0RykGDPwC0lHSNySkXDeM5XvDJ+dtHK+RDwhJR+azfrWAHGMtZcQ+YVamjWVmHxXM03j3GeCXgqae1upwHzkPL5OwojcQ5MQi3Kv/1xtwY0cRN/yeZTOsXfujtqhkJj/Vltby4lnW4SCj4LjWQF19BY6zhzF4yybBA8bhhtoNP/zx8QkhHAkIROkK2ZVgfocCAPvfQ+vSrsIBO+L5cmg6mzFn4g84lsHscgXnszIlzUrzx/4Tam0uwuS9J1gddZ0I0QUt9SJzfsoBCTU0OgNMUtXKS5HvgXe7abexMtFH5eulOsAuFZkQ5LYJa/m4yHFInXzL/t3hjdTi2NmxUufvYzwIyffRTu5vS9vjscARD9lUQDHFQ/xgWe1i8EkRlrSfjlXt00+4//h2bcJKyTBT3IXwvKNsuY29V9/vU3HkvWKZ99zpSlmcZRuBa1BHbyPEvc0NlqIIoKidxqUvOR64MzudHhAjgWFP+IXojfhS3Gj9OJhBL7s',
      },
      apiV3Key: 'a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb',
    });
    expect(pem).toHaveLength(1475);
    expect(new X509Certificate(pem).serialNumber).toBe('5DEA10EF55877E3CF6C33255C2E7DEFFF7E427EC');
  });
});

describe('the pure functions', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

  it('sign wx.requestPayment, from PEM or a key object', () => {
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    for (const key of [privateKey, createPrivateKey(pem), pem]) {
      const {
        timeStamp,
        nonceStr,
        package: prepay,
        signType,
        paySign,
      } = signRequestPayment({
        appId: 'wx1',
        prepayId: 'wx2',
        privateKey: key,
      });
      expect([prepay, signType]).toEqual(['prepay_id=wx2', 'RSA']);
      expect(nonceStr).toMatch(/^[0-9A-Za-z]{32}$/);
      expect(isSigned(`wx1\n${timeStamp}\n${nonceStr}\nprepay_id=wx2\n`, publicKey, paySign)).toBe(
        true,
      );
    }
  });

  it('sign the SDK of mobile apps with the bare prepay id', () => {
    const { timestamp, noncestr, sign, ...rest } = signAppPayment({
      appId: 'wx1',
      mchId: '1900000001',
      prepayId: 'wx2',
      privateKey,
    });
    expect(rest).toEqual({
      appid: 'wx1',
      partnerid: '1900000001',
      prepayid: 'wx2',
      package: 'Sign=WXPay',
    });
    expect(isSigned(`wx1\n${timestamp}\n${noncestr}\nwx2\n`, publicKey, sign)).toBe(true);
  });

  it('refuse a signature of other bytes', () => {
    expect(() =>
      checkSignature(
        {
          serial: 'x',
          timestamp: '1',
          nonce: 'n',
          signature: Buffer.alloc(256).toString('base64'),
        },
        Buffer.from('{}'),
        publicKey,
      ),
    ).toThrow('does not match the exact bytes');
  });
});
