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
	Online      bool   `json:"online"`
	Version     string `json:"version,omitempty"`
	Boot        string `json:"boot,omitempty"`
	Clock       Clock  `json:"clock,omitempty"`
	Spool       string `json:"spool,omitempty"`
	SpoolPacks  uint64 `json:"spool_packs"`  // packs without a receipt
	OldestAgeS  int64  `json:"oldest_age_s"` // age of the oldest of them, seconds
	ConfigHash  string `json:"config_hash,omitempty"`
	Supply      *bool  `json:"supply,omitempty"` // mains present; absent when nothing senses it
	Undervolted *bool  `json:"undervolted,omitempty"`
	TimeMs      int64  `json:"time_ms,omitempty"` // gateway's clock when it wrote this; absent in the Will
}
