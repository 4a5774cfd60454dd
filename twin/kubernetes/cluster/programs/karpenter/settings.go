package main

import (
	"fmt"
	"os"
	"strconv"
)

// settings are what the simulation adds to Karpenter's own settings.
type settings struct {
	catalogue string  // file of the instance types and their offerings
	capacity  string  // file of what is sold out now; it may change at any time, and need not exist
	speed     float64 // how many times faster than a wall clock Karpenter's waits end
}

func readSettings() (settings, error) {
	read := settings{
		catalogue: os.Getenv("INSTANCE_TYPES_FILE_PATH"),
		capacity:  os.Getenv("STAGECRAFT_CAPACITY_FILE"),
		speed:     1,
	}
	if read.catalogue == "" || read.capacity == "" {
		return read, fmt.Errorf("INSTANCE_TYPES_FILE_PATH and STAGECRAFT_CAPACITY_FILE must name files")
	}
	if text := os.Getenv("STAGECRAFT_SPEED"); text != "" {
		speed, err := strconv.ParseFloat(text, 64)
		if err != nil || speed < 1 {
			return read, fmt.Errorf("STAGECRAFT_SPEED is %q, and must be a number of at least 1", text)
		}
		read.speed = speed
	}
	return read, nil
}
