// Package benchfaults breaks the whole line in every way it can break while data flow, and then holds every sample that
// was sent against every sample that is stored. It holds tests only:
//
//	make bench-faults SEED=1 SEEDS=20
//
// Everything is a process of its own, as in a larger place: three gateways, a broker (the embedded one or a Mosquitto),
// two ingest, influxd, and a PostgreSQL or an SQLite file that these share. The seed decides which of these, and what
// breaks when and for how long. What the gateways are to send is known without them: recordings that the bench wrote,
// and readings that a made-up meter notes in a file of its own before the gateway has them. docs/faults.md tells more.
package benchfaults
