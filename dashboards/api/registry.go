package api

import (
	"context"
	"crypto/ed25519"
	"time"

	"karkhana/analytics/billing"
	"karkhana/analytics/energy"
	"karkhana/analytics/gap"
	"karkhana/analytics/session"
	"karkhana/analytics/utilisation"
	"karkhana/internal/electricity"
	"karkhana/internal/registry"
)

// Registry is what the API asks of SQL; *registry.DB answers it.
type Registry interface {
	utilisation.Registry
	billing.DraftRegistry
	MonthChanges(ctx context.Context, site string) (map[string]int64, error)
	gap.Reading
	Members(ctx context.Context, site string) ([]registry.Members, error)
	Electricity(ctx context.Context, site string) (electricity.Config, error)
	session.Registry
	session.JobRegistry
	energy.Registry

	AddPlannedStop(ctx context.Context, s registry.PlannedStop) (registry.PlannedStop, error)
	RemovePlannedStop(ctx context.Context, site string, id int64, by string, atMs int64) (registry.PlannedStop, error)
	AddBreakdown(ctx context.Context, b registry.Breakdown) (registry.Breakdown, error)
	EndBreakdown(ctx context.Context, site string, id, toMs int64, by string) (registry.Breakdown, error)
	RemoveBreakdown(ctx context.Context, site string, id int64, by string, atMs int64) (registry.Breakdown, error)
	Sites(ctx context.Context) ([]registry.Site, error)
	Site(ctx context.Context, id string) (registry.Site, error)
	Machines(ctx context.Context, site string) ([]registry.Machine, error)
	SettingsAt(ctx context.Context, site, machine string) ([]registry.Settings, error)
	ConfirmedThresholds(ctx context.Context, site, machine string) ([]registry.Confirmed, error)
	ConfirmThresholds(ctx context.Context, s registry.Settings, c registry.Confirmed) error
	Gateways(ctx context.Context, site string) ([]registry.Gateway, error)
	NewGatewayCode(ctx context.Context, site, gateway, codeHash string, life time.Duration, author string) (expiresMs int64, err error)
	RedeemGatewayCode(ctx context.Context, r registry.Redeeming) (registry.Gateway, error)
	QueueCommand(ctx context.Context, c registry.Command) (registry.Command, error)
	Commands(ctx context.Context, site, gateway string, limit int) ([]registry.Command, error)
	SigningKey(ctx context.Context, site string) (ed25519.PrivateKey, error)
	CardSalt(ctx context.Context, site string) (string, error)
	Groups(ctx context.Context, site string) ([]registry.Group, error)
	Sessions(ctx context.Context, site string, fromMs, toMs int64, machine, group string) ([]registry.Session, error)
	AddCorrection(ctx context.Context, c registry.Correction, touchFromMs int64) (registry.Correction, error)
	SaveJob(ctx context.Context, j registry.Job, reason string) error
	Jobs(ctx context.Context, site string) ([]registry.Job, error)
	GiveJobCard(ctx context.Context, site, hash, job string, atMs int64) error
	AddJobWork(ctx context.Context, w registry.JobWork) (registry.JobWork, error)
	EndJobWork(ctx context.Context, site, job string, id, atMs int64) error
	CorrectJobWork(ctx context.Context, c registry.JobCorrection, workID int64, instead *registry.JobWork) error
	Alarms(ctx context.Context, site string, onlyUnresolved bool, limit int) ([]registry.Alarm, error)
	AcknowledgeAlarm(ctx context.Context, site string, id int64, by string, atMs int64) (registry.Alarm, error)
	ShelveAlarm(ctx context.Context, site string, id int64, by, reason string, untilMs int64) (registry.Alarm, error)
	UnshelveAlarm(ctx context.Context, site string, id int64) (registry.Alarm, error)
	ServiceTasks(ctx context.Context, site string) ([]registry.ServiceTask, error)
	ServicesDone(ctx context.Context, site string) ([]registry.ServiceDone, error)
	AddServiceDone(ctx context.Context, s registry.ServiceDone) (registry.ServiceDone, error)
	ResolveAlarm(ctx context.Context, site string, id int64, by, note string, atMs int64) (registry.Alarm, error)
	SaveStatement(ctx context.Context, s registry.Statement) (registry.Statement, error)
	Statements(ctx context.Context, site, month string) ([]registry.Statement, error)
	Statement(ctx context.Context, site string, id int64) (registry.Statement, error)
	FindQuarantined(ctx context.Context, f registry.QuarantineFilter) ([]registry.Quarantined, error)
	QuarantineCounts(ctx context.Context, site string) ([]registry.QuarantineCount, error)
	QuarantineSummaries(ctx context.Context, site string, limit int) ([]registry.QuarantineSummary, error)
	AskReplay(ctx context.Context, f registry.QuarantineFilter, atMs int64) (ids []int64, cut int64, err error)
	DropQuarantined(ctx context.Context, f registry.QuarantineFilter) (int64, error)
	TokenByHash(ctx context.Context, hash string) (registry.Token, error)
	Audit(ctx context.Context, who, what, detail string) error
}
