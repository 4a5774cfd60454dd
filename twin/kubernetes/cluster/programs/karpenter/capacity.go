package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"
)

// capacity is what the capacity file says: what cannot be bought now, and how long instances take to start.
type capacity struct {
	BootSeconds *float64   `json:"bootSeconds"`
	SoldOut     []shortage `json:"soldOut"`
}

// shortage is a set of offerings that cannot be bought. What is left out means any; the type may be a pattern
// such as g6.*.
type shortage struct {
	CapacityType string `json:"capacityType,omitempty"`
	InstanceType string `json:"instanceType,omitempty"`
	Zone         string `json:"zone,omitempty"`
}

func (c capacity) soldOut(instanceType, capacityType, zone string) bool {
	for _, shortage := range c.SoldOut {
		if shortage.matches(instanceType, capacityType, zone) {
			return true
		}
	}
	return false
}

func (c capacity) boot() time.Duration {
	if c.BootSeconds == nil {
		return time.Second
	}
	return time.Duration(*c.BootSeconds * float64(time.Second))
}

func (s shortage) matches(instanceType, capacityType, zone string) bool {
	named := true
	if s.InstanceType != "" {
		named, _ = path.Match(s.InstanceType, instanceType)
	}
	return named && (s.CapacityType == "" || s.CapacityType == capacityType) && (s.Zone == "" || s.Zone == zone)
}

// capacityFile is read again whenever it changed. Whoever writes it replaces it by renaming.
type capacityFile struct {
	path string
	seen string
}

func (f *capacityFile) read() (bool, capacity, error) {
	information, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		changed := f.seen != ""
		f.seen = ""
		return changed, capacity{}, nil
	} else if err != nil {
		return false, capacity{}, err
	}
	stamp := fmt.Sprint(information.ModTime().UnixNano(), information.Size())
	if stamp == f.seen {
		return false, capacity{}, nil
	}
	f.seen = stamp
	text, err := os.ReadFile(f.path)
	if err != nil {
		return false, capacity{}, err
	}
	var read capacity
	if err := json.Unmarshal(text, &read); err != nil {
		return false, capacity{}, fmt.Errorf("%s: %w", f.path, err)
	}
	for _, shortage := range read.SoldOut {
		if _, err := path.Match(shortage.InstanceType, ""); err != nil {
			return false, capacity{}, fmt.Errorf("%s: instanceType %q: %w", f.path, shortage.InstanceType, err)
		}
	}
	return true, read, nil
}
