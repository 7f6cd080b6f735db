-- Joining of gateways by one-time codes, and the salt of each site's card hashes.

-- +goose Up
CREATE TABLE gateway_code (
	site       TEXT NOT NULL,
	gateway    TEXT NOT NULL,
	hash       TEXT NOT NULL UNIQUE, -- of the code, which is not stored
	made_ms    BIGINT NOT NULL,
	expires_ms BIGINT NOT NULL,
	used_ms    BIGINT NOT NULL DEFAULT 0,
	key_hash   TEXT NOT NULL DEFAULT '', -- of the key that used it
	PRIMARY KEY (site, gateway),
	FOREIGN KEY (site, gateway) REFERENCES gateway (site, id)
);

ALTER TABLE site ADD COLUMN card_salt TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE site DROP COLUMN card_salt;
DROP TABLE gateway_code;
