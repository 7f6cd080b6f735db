package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"karkhana/internal/influxd"
	"karkhana/internal/registry"
	"karkhana/internal/secret"
	"karkhana/internal/tsdb"
)

// storeFlags say where the SQL registry and the time series live.
type storeFlags struct {
	Data            string `help:"Folder for everything that is kept." default:"data" type:"path"`
	Database        string `help:"SQL database by URL (postgres://…). Default: SQLite in the data folder." env:"KARKHANA_DATABASE"`
	InfluxURL       string `help:"InfluxDB by URL. Default: the embedded one in the data folder." env:"KARKHANA_INFLUX_URL"`
	InfluxTokenFile string `help:"File with the InfluxDB token (1.8: user:password)." type:"path" env:"KARKHANA_INFLUX_TOKEN_FILE"`
	InfluxOrg       string `help:"InfluxDB organisation (2.x)." env:"KARKHANA_INFLUX_ORG"`
	QuarantineMB    int64  `name:"quarantine-mb" help:"Most that is kept of packs that can't be stored, MB. The oldest of the site that holds most are summarised." default:"512" env:"KARKHANA_QUARANTINE_MB"`
	QuarantineSite  int64  `name:"quarantine-site-mb" help:"Most of that for each site, MB." default:"64" env:"KARKHANA_QUARANTINE_SITE_MB"`
	InfluxBucket    string `help:"InfluxDB bucket (1.8: database/retention-policy)." default:"karkhana/autogen" env:"KARKHANA_INFLUX_BUCKET"`
}

// databaseURL returns the registry's URL, making the data folder when SQLite lives in it.
func (f storeFlags) databaseURL() (string, error) {
	if f.Database != "" {
		return f.Database, nil
	}
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return "", fmt.Errorf("make the data folder: %w", err)
	}
	return "sqlite://" + filepath.Join(f.Data, "registry.db"), nil
}

func (f storeFlags) openRegistry(ctx context.Context) (*registry.DB, error) {
	url, err := f.databaseURL()
	if err != nil {
		return nil, err
	}
	db, err := registry.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	db.LimitQuarantine(registry.QuarantineLimits{SiteBytes: f.QuarantineSite << 20, TotalBytes: f.QuarantineMB << 20})
	return db, nil
}

// openInflux connects to the InfluxDB given by URL.
func (f storeFlags) openInflux() (tsdb.Store, error) {
	if f.InfluxURL == "" {
		return nil, errors.New("--influx-url is missing: a service that runs alone needs the InfluxDB of the others")
	}
	var token string
	if f.InfluxTokenFile != "" {
		var err error
		if token, err = secret.Read(f.InfluxTokenFile); err != nil {
			return nil, err
		}
	}
	return tsdb.NewInflux(tsdb.InfluxOptions{URL: f.InfluxURL, Token: token, Org: f.InfluxOrg, Bucket: f.InfluxBucket})
}

// openInfluxOfServer connects to the InfluxDB given by URL, or to the one that a running server keeps in the data folder: for
// commands that are given beside it.
func (f storeFlags) openInfluxOfServer() (tsdb.Store, error) {
	if f.InfluxURL != "" {
		return f.openInflux()
	}
	url, token, err := influxd.Running(filepath.Join(f.Data, "influxdb"))
	if errors.Is(err, influxd.ErrNotRunning) {
		return nil, fmt.Errorf("%w (%s): start it first (karkhana up --data %[2]s), name the right folder with --data, or give --influx-url", err, f.Data)
	}
	if err != nil {
		return nil, err
	}
	return tsdb.NewInflux(tsdb.InfluxOptions{URL: url, Token: token, Bucket: f.InfluxBucket})
}

// brokerFlags say how ingest reaches the broker.
type brokerFlags struct {
	Broker             string `help:"Broker by URL: mqtt://host:1883 (any MQTT broker, one ingest) or nats://host:4222,… (NATS with MQTT and JetStream, any number of ingest)." env:"KARKHANA_BROKER"`
	BrokerUser         string `help:"User of ingest at the broker." default:"ingest"`
	BrokerPasswordFile string `help:"File with that user's password." type:"path"`
}

func (f brokerFlags) password() (string, error) {
	if f.BrokerPasswordFile == "" {
		return "", fmt.Errorf("--broker-password-file is missing: name a file with the password of user %s at the broker (with karkhana up or broker: ingest.key in its data folder)", f.BrokerUser)
	}
	password, err := secret.Read(f.BrokerPasswordFile)
	if err != nil {
		return "", fmt.Errorf("--broker-password-file: %w", err)
	}
	return password, nil
}
