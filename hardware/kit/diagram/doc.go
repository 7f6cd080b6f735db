// Package diagram draws the wiring of a kit as a picture (SVG, A4 landscape): the Pi with its header pins in the
// middle, on both sides what is connected to it, and each wire as a straight line in its own colour.
//
// The layout is a tree from the Pi: a thing stands beside the one that it is wired to, and its wires lie at the same
// height on both. So no line crosses another. A wire that would leave the tree is drawn to a reference instead.
package diagram
