package broker

import (
	"fmt"
	"log/slog"
	"strings"
)

// serverLog passes the NATS server's log on. What it calls fatal is kept as the reason why Start failed; nothing
// here ends the process.
type serverLog struct {
	log     *slog.Logger
	refused *refusals
	fatal   chan error
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("broker", "text", fmt.Sprintf(format, v...))
}
func (l *serverLog) Debugf(format string, v ...any) {
	l.log.Debug("broker", "text", fmt.Sprintf(format, v...))
}
func (l *serverLog) Tracef(format string, v ...any) {
	l.log.Debug("broker", "text", fmt.Sprintf(format, v...))
}
func (l *serverLog) Warnf(format string, v ...any)  { l.warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any) { l.warn(fmt.Sprintf(format, v...)) }

func (l *serverLog) warn(text string) {
	if strings.Contains(text, "authentication error") {
		l.log.Debug("broker", "text", text) // the authenticator has said why
		return
	}
	reason := reasonOf(text)
	if reason == "" {
		l.log.Warn("broker", "text", text)
		return
	}
	l.refused.count(reason)
	if say, before := l.refused.say(reason, clientOf(text)); say {
		l.log.Warn("broker refused a client's request", "reason", reason, "text", text, "alike_before", before)
	}
}

func (l *serverLog) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	l.log.Error("broker", "err", err)
	select {
	case l.fatal <- err:
	default:
	}
}
