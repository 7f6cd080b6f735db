// Package maintenance raises the few alarms a technician must see, and delivers them.
//
// It owns: three rules, their timers, the baselines of vibration, delivery of all alarms by webhook and mail. It does not own: the
// rule threshold-drift (package drift raises and ends it), the
// alarm's life after it is raised (registry), states (package fold), pages.
//
// The rules:
//
//   - sensor-silent: no sample of the machine newer than Settings.SilentAfterMs by the server's clock. When its gateway
//     is offline, one alarm of the gateway stands for all its machines (cause gateway); a gateway that never told its
//     status counts the same with cause link; a silent machine of an online gateway has cause sensor.
//   - temperature-high: temperature ≥ Settings.TemperatureMaxC; deadband the larger of 1 % and 2 °C, on-delay 60 s.
//   - vibration-high: velocity, acceleration (ratio) or kurtosis (rise) above the machine's own baseline by the limits of
//     its settings, judged by minutes wholly in state run: 3 of the last 5 of them (Settings.PersistOver, PersistOf) over
//     the limit raise, as many below nine tenths of it clear. All that rose is one alarm (Alarm.Rises), whose cause says
//     where to look first. The baseline is the median of the running minutes of the first seven days; without 240 of them
//     there is no alarm, and Baselines says so. See Baseline.Limit.
//
// Order of evaluation of temperature (domain facts §6.6): validity → deadband → on-delay → raise. A value ≥ limit sets the condition, a
// value < limit − deadband ends it; the condition must hold at every sample of the on-delay, in which values inside the
// deadband do not end it. A hole longer than the
// machine's gap limit starts the on-delay anew.
//
// Timers of the measured rules run on the time of the samples. Samples older than 15 minutes are not looked at, so
// that buffered data never raises an alarm.
//
// Nothing is kept outside the registry and the store: after a restart the conditions are found again from the
// registry's alarms and the samples of the last 15 minutes, and an alarm that stands is not raised twice.
package maintenance
