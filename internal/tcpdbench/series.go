package tcpdbench

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
)

// A Series is a history with the marks of people.
type Series struct {
	Key    string
	Values []float64
	Marks  [][]int // of each person
}

// Read reads a gzipped JSON file {key: {values[], annotations{person: [index]}}},
// in the order of the keys.
func Read(path string) ([]Series, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var all map[string]struct {
		Values      []float64        `json:"values"`
		Annotations map[string][]int `json:"annotations"`
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var series []Series
	for _, key := range slices.Sorted(maps.Keys(all)) {
		s := Series{Key: key, Values: all[key].Values}
		for _, person := range slices.Sorted(maps.Keys(all[key].Annotations)) {
			s.Marks = append(s.Marks, all[key].Annotations[person])
		}
		series = append(series, s)
	}
	return series, nil
}

// leastPeople must have marked a series for it to be scored.
const leastPeople = 3

// Scored tells whether enough people have marked the series.
func (s Series) Scored() bool { return len(s.Marks) >= leastPeople }

// Half is 0 or 1, by a hash of the key: settings are chosen on one half and
// confirmed on the other.
func (s Series) Half() int { return int(s.Hash()>>7) % 2 }

// Hash is a number that depends on the key alone.
func (s Series) Hash() uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Key)) //nolint:errcheck // a hash takes everything
	return h.Sum32()
}

// Unmarked tells whether nobody marked anything.
func (s Series) Unmarked() bool { return s.mostAgreeing() == 0 }

// Undisputed tells whether no two people marked the same place.
func (s Series) Undisputed() bool { return s.mostAgreeing() < 2 }

// MostlyUnmarked tells whether most people marked nothing.
func (s Series) MostlyUnmarked() bool {
	empty := 0
	for _, m := range s.Marks {
		if len(m) == 0 {
			empty++
		}
	}
	return 2*empty > len(s.Marks)
}

// mostAgreeing is the greatest number of people who marked one place.
func (s Series) mostAgreeing() int {
	most := 0
	for _, marks := range s.Marks {
		for _, m := range marks {
			n := 0
			for _, others := range s.Marks {
				if slices.ContainsFunc(others, func(o int) bool { return apart(o, m) <= Margin }) {
					n++
				}
			}
			most = max(most, n)
		}
	}
	return most
}
