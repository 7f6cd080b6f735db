package wire

// ValidQuality reports whether q is a quality of the contract: empty (plainly good), estimated, stale, saturated or
// fault:{cause}.
func ValidQuality(q string) bool { return q == "" || checkQuality(q) == nil }
