// Package uplink brings the packs of the spool to the server over MQTT and its receipts back to the spool.
//
// It owns the connection, the two lanes and what is in flight. It does not own the packs: they stay in the spool
// until a receipt names them, and only their places are in memory here.
//
// # Lanes
//
// Packs whose newest sample is at most 30 s old at sending go on the topic …/telemetry, older ones on …/history at a
// limited rate. Fresh packs are offered by the spool's owner as soon as they are durable and overtake everything
// else. A cursor walks through the spool behind them, from the oldest pack, and sends whatever is not in flight.
//
// Every pack behind the cursor is either receipted or in flight, and what is in flight stays so until its receipt.
// So nothing is forgotten, whatever happens to the fresh ones.
//
// # In flight
//
// At most Window packs of each lane wait for receipts at once. One without a receipt is sent again after 30 s, then
// after 60 s and so on to 10 min, and at once after a new connection. A new connection, and one that waits for a receipt
// in vain, begins with sixteen packs on their way and gets room for more with each receipt. PUBACKs only show that the connection lives: a
// broker's word proves nothing.
package uplink
