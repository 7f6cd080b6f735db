package ingest

import "hash/maphash"

// digest stands for names in a map with an entry for each machine of a nation: a key without pointers, which the garbage
// collector need not follow. With 20,000 machines two of them are the same once in 10^11 starts of the process.
type digest uint64

// digester makes digests. Its seed is drawn at its making, so that nobody can choose names that fall together.
type digester struct{ seed maphash.Seed }

func newDigester() digester { return digester{maphash.MakeSeed()} }

// of returns the digest of names in their order.
func (d digester) of(names ...string) digest {
	var h maphash.Hash
	h.SetSeed(d.seed)
	for _, n := range names {
		_, _ = h.WriteString(n)
		_ = h.WriteByte('/') // no id holds one
	}
	return digest(h.Sum64())
}
