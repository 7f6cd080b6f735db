// Package accel is what the accelerometer drivers share: the window they return, the capture of a window through a
// chip's FIFO, the measurement of the sample rate, and the registers over SPI or I2C.
//
// A window is read in bursts: wait until the FIFO is about half full, read how much is in it and whether it has
// overflowed, read that much, and so on. The processor may come late by the other half of the FIFO without losing a
// sample; when it comes later still, the loss is counted and never hidden.
//
// The sample rate of these chips is off by several percent from part to part and with temperature. It is therefore
// measured: at each burst the number of samples that the chip has made so far is set against the clock, and the slope
// of the line through these points is the rate. The nominal rate serves only to decide how long to wait.
//
// The package owns neither chips (see adxl345, lis3dh, iis3dwb) nor what a window means (see firmware-gateway/feature).
package accel
