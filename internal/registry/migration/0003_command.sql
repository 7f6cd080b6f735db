-- What the server asks of gateways: the key of each site that signs it, the commands with their outcome, and the
-- version of the list of cards. Ids of commands and versions of lists are Unix milliseconds pushed past the one before,
-- so that they keep growing when the registry is restored from an old backup.

-- +goose Up
CREATE TABLE signing_key (
	site       TEXT NOT NULL PRIMARY KEY REFERENCES site (id),
	seed       BYTEA NOT NULL, -- of the ed25519 private key, 32 bytes
	created_ms BIGINT NOT NULL
);

CREATE TABLE command (
	site       TEXT NOT NULL,
	gateway    TEXT NOT NULL,
	id         BIGINT NOT NULL,
	kind       TEXT NOT NULL,
	body       TEXT NOT NULL,
	queued_by  TEXT NOT NULL,
	queued_ms  BIGINT NOT NULL,
	expires_ms BIGINT NOT NULL,
	state      TEXT NOT NULL,
	sent_ms    BIGINT NOT NULL, -- last sending
	sendings   BIGINT NOT NULL,
	ended_ms   BIGINT NOT NULL,
	detail     TEXT NOT NULL,   -- the gateway's words
	PRIMARY KEY (site, gateway, id),
	FOREIGN KEY (site, gateway) REFERENCES gateway (site, id)
);
CREATE INDEX command_open ON command (site, gateway, id) WHERE ended_ms = 0;

CREATE TABLE allow_list (
	site    TEXT NOT NULL PRIMARY KEY REFERENCES site (id),
	version BIGINT NOT NULL,
	digest  TEXT NOT NULL -- SHA-256 of the cards that the version stands for
);

-- +goose Down
DROP TABLE allow_list;
DROP TABLE command;
DROP TABLE signing_key;
