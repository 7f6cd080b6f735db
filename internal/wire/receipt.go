package wire

// Receipt is ingest's proof of storage for one spool (JSON on the receipt topic). A gateway deletes a pack only
// after a receipt names its seq, stored or refused.
type Receipt struct {
	Spool   string      `json:"spool"`
	Stored  [][2]uint64 `json:"stored,omitempty"`  // closed ranges [from,to] of seq
	Refused []Refusal   `json:"refused,omitempty"` // packs kept in quarantine
}

// Refusal names a pack that can't be stored, and why. Its bytes are in quarantine.
type Refusal struct {
	Seq    uint64 `json:"seq"`
	Reason string `json:"reason"`
}

// Status is what a gateway says of itself (JSON, retained; with Online false it is the Will).
type Status struct {
	Online  bool   `json:"online"`
	Version string `json:"version,omitempty"`
	Boot    string `json:"boot,omitempty"`
	Clock   Clock  `json:"clock,omitempty"`
	// RTC is how the battery-backed clock does: good, or why it is not trusted: stopped, unreadable, before, absurd,
	// doubtful. Absent when there is none.
	RTC        string `json:"rtc,omitempty"`
	Spool      string `json:"spool,omitempty"`
	SpoolPacks uint64 `json:"spool_packs"`  // packs without a receipt
	OldestAgeS int64  `json:"oldest_age_s"` // age of the oldest of them, seconds
	// SpoolDropped and SpoolThinned count packs since the gateway's start that a full disk cost: as a whole, and but for
	// their cards and registers.
	SpoolDropped uint64 `json:"spool_dropped,omitempty"`
	SpoolThinned uint64 `json:"spool_thinned,omitempty"`
	ConfigHash   string `json:"config_hash,omitempty"`  // of the configuration that runs
	ConfigError  string `json:"config_error,omitempty"` // why a changed configuration was not taken
	Machines     *int   `json:"machines,omitempty"`     // how many are configured, 0 after joining; absent in the Will
	Supply       *bool  `json:"supply,omitempty"`       // mains present; absent when nothing senses it
	Undervolted  *bool  `json:"undervolted,omitempty"`
	// Throttled are the bits of the Raspberry Pi's firmware: 0 undervoltage, 1 capped, 2 throttled, 3 too hot now;
	// 16 to 19 the same at some time since boot.
	Throttled *uint32 `json:"throttled,omitempty"`
	Disk      *Disk   `json:"disk,omitempty"`    // file system of the queue
	TimeMs    int64   `json:"time_ms,omitempty"` // gateway's clock when it wrote this; absent in the Will
	// Commands and AllowList are absent in the Will and from gateways that know no commands.
	Commands  *CommandStatus   `json:"commands,omitempty"`
	AllowList *AllowListStatus `json:"allow_list,omitempty"`
}

// Disk is how the file system that holds a gateway's queue does.
type Disk struct {
	FreeBytes    uint64  `json:"free_bytes"`
	WrittenBytes *uint64 `json:"written_bytes,omitempty"` // to the whole card since boot; absent when the kernel does not count
	ReadOnly     bool    `json:"read_only"`               // the kernel makes it so when the card fails
}
