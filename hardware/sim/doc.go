// Package sim simulates the machines of a common facility centre: physics with people working at them, read through
// the real drivers.
//
// # Use
//
// [New] makes a [Workshop] from a seed, an epoch and a zone. [Workshop.Machine] gives an independent instance of one
// machine standing at the epoch; [Machine.Sense] runs it up to a time and reads its sensors. A history instance and a
// live instance of the same machine agree wherever they meet:
//
//	live, err := workshop.Machine(sim.Furnace)
//	err = live.Seek(time.Now())            // 30 days in about 0.1 s
//	samples, err := live.Sense(time.Now()) // readings, and the card taps since Seek
//
// The samples are in wire units. Power, energy register, current, voltage, power factor and frequency come from the
// machine's meter; temperature and setpoint from the furnace; vibration and bearing temperature from the lathe;
// supply from the main meter. A sample of quantity card holds the raw UID of a card in hex: whoever sends it on
// hashes it with the site's salt. [Cards] lists the cards of the five producer groups, the same for every seed.
//
// # Promise
//
// A reading at a time is a function of seed, epoch, shifts, zone and that time alone: it does not matter when and how
// often a machine was read before (bit for bit on one kind of processor). So power is constant in segments whose ends
// the plan decides, energy adds up in integers, temperatures change only at the ends of segments, and the noise of a
// reading is a hash of its time.
//
// # Through which drivers
//
// The furnace's thermocouple is a simulated MAX31855 on a fake SPI port, read by package max31855. Every machine's
// meter is a Modbus slave with the registers of its profile, read by package meter: in memory by Sense, and
// [Machine.Meter] can be served over Modbus TCP. Vibration, bearing temperature, supply and cards have no driver yet
// and come directly.
//
//	furnace       SDM630     12 kW at 230 V in three phases, 90 W controller and fan
//	cutting       SDM630     3 kW motor, no-load 0.76 kW, cuts of 2.3–3.5 kW for 8–22 s
//	polishing     SDM120     2.2 kW motor, no-load 0.43 kW, strokes of 1.4–2.4 kW for 12–45 s
//	hammering     SDM630     5.5 kW motor, no-load 1.05 kW, blows of 4.7–5.6 kW for 2 s about every 10 s
//	designing     PZEM-004T  0.125 kW waiting, 0.15–0.35 kW working
//	main-meter    SDM630     all of these and the building
//
// Ratings are orders of magnitude of such machines in Indian clusters; induction motors take 20–30 % of their rating
// at no-load with a power factor of 0.3–0.4, and switching on shows a peak of about a second.
//
// # Furnace
//
// Two heat stores: the chamber (15 kJ/K: elements, hearth, inner lining, ware) and the lining behind it (42 kJ/K),
// joined by 13 W/K; 5.5 W/K from the lining to the workshop; radiation σ·A·(T⁴−T₀⁴) through 0.009 m² of gaps, and
// through 0.055 m² more, with moving air and cold ware, while the door is open. Elements give 12 kW·(V/230 V)². The
// controller switches at 850 ± 2 °C by a thermocouple that lags 12 s, so the elements cycle in about a minute at soak,
// where holding takes 3–4 kW. A cold furnace is hot after about three quarters of an hour, a warm one sooner: a small
// electric kiln at full power heats as steeply (33 to 8 °C a minute, recording kiln-heatup). A batch is heating, soak
// of 100–220 minutes with the door opened every 22–48 minutes, cooling with the fan 20–45 minutes (idle), and rest
// with the main switch off. Steps of 1 s (5 s at rest), explicit Euler.
//
// # Bearing of the lathe
//
// Vibration velocity is 0.85–1.25 mm/s with a new bearing (ISO 10816-1 class I: A/B 0.71, B/C 1.8) times
// 1 + ½·(h/295)^4.5, h being run-hours. With the default shifts that is 1.5 after about three weeks and more than 2.5
// in the fifth. The RMS of acceleration rises twice as fast, kurtosis from 3 to 7 in the fourth and fifth week and then
// falls again, as a rough race no longer knocks; at 6 the bearing is changed at the next stop. Its temperature settles
// 9 to 33 °C above the workshop, more with wear, with a time constant of 25 minutes.
//
// # People
//
// One plan for cutting, polishing, hammering and designing: every 12–34 minutes a machine is added, dropped or swapped
// for another, which starts some minutes earlier. While the workshop is open two or three of the four work (mostly two
// from 22 to 06), so that at any moment with supply at least two machines run and one idles or stands. The furnace
// goes by its own batches. Each machine is used 45–60 % of the time with the default three shifts, those of the
// festival season.
//
// A session begins with a tap 5–30 s before the motor is switched on, may idle before, after and between pieces of
// work, is taken over by another group at a shift's end or in a pause, and ends with a tap. One session in twenty has
// no card at all: its run time belongs to nobody. Some six in a hundred tap-outs are forgotten; the same group does not
// come next after that, so that its tap can't be taken for the missing one.
//
// # Supply
//
// 231 V to neutral, 6 V less in the evening, wandering some volts, less the drop along the machine's line; 50 Hz
// wandering by hundredths. Every ten days have one power cut of 4–70 minutes, not on the first or last of the ten
// days: power, voltage and frequency read zero, the registers stand, supply is false, and people need up to three
// minutes to switch on again. The meters' electronics and the gateway live on a battery, so they answer all the while.
//
// # Meters
//
// Each meter has an error of gain within ±0.4 % (the main meter ±0.2 %), noise of 0.15 % on power, and an energy
// register with a first reading of its own in steps of 10 Wh (SDM) or 1 Wh (PZEM). The main meter is the exact sum of
// the machines and the building (lights 0.4–1.1 kW, fans 0.2–0.6 kW, refrigerator 0.14 kW at times, small things
// 85 W) read with its own error, so the registers of all meters and the building add up within 1 %.
package sim
