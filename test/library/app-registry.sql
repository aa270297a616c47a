CREATE TABLE wechat_apps (
  app_id text PRIMARY KEY,
  secret text NOT NULL,
  kind text NOT NULL,
  name text UNIQUE,
  is_default boolean NOT NULL DEFAULT false,
  push jsonb
);

CREATE FUNCTION notify_wechat_apps() RETURNS trigger AS $$
BEGIN
  PERFORM pg_notify('wechat_apps', COALESCE(NEW.app_id, OLD.app_id));
  RETURN NULL;
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER wechat_apps AFTER INSERT OR UPDATE OR DELETE ON wechat_apps
FOR EACH ROW EXECUTE FUNCTION notify_wechat_apps();
