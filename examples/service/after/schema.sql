CREATE TABLE IF NOT EXISTS users (
    id         BIGSERIAL PRIMARY KEY,
    no         BIGINT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    email      TEXT NOT NULL,
    email_idx  BYTEA NOT NULL UNIQUE,
    phone      TEXT,
    password   TEXT NOT NULL,
    news_no    BIGINT UNIQUE,
    news_email TEXT
);

CREATE TABLE IF NOT EXISTS sessions (
    hash    BYTEA PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
    begun   TIMESTAMPTZ NOT NULL DEFAULT now()
);
