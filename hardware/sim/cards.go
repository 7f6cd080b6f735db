package sim

// Card is an RFID card of a producer group.
type Card struct {
	Group string // pg-1 … pg-5
	UID   string // 4 bytes in upper-case hex, as the card reader gives it
}

// Cards returns the cards of the simulated producer groups: five groups with two cards each, the same for every seed.
// A site file holds their salted hashes.
func Cards() []Card {
	return []Card{
		{"pg-1", "9C599B32"}, {"pg-1", "1B04E7A6"},
		{"pg-2", "D3527F0E"}, {"pg-2", "47C81A95"},
		{"pg-3", "60FD28B1"}, {"pg-3", "F2873C5D"},
		{"pg-4", "2E91D64A"}, {"pg-4", "8A0B75C3"},
		{"pg-5", "B51E43F8"}, {"pg-5", "7396AC20"},
	}
}
