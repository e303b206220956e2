package loadgen

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// A dataSet is rows of test data, and how one is picked for an iteration.
type dataSet struct {
	columns []string           // none for lines of text
	rows    []map[string]value // a line of text stands under ""
	pick    string             // random, sequential, weighted or unique
	weights []float64          // cumulative
	next    *atomic.Int64      // the row that sequential picks next
}

// dataPicks holds the rows that an iteration of one user has picked.
type dataPicks struct {
	sets   map[string]*dataSet
	user   int
	picked map[string]int
}

func (p *dataPicks) reset() { clear(p.picked) }

func (p *dataPicks) value(set, column string, rng *rand.Rand) value {
	s := p.sets[set]
	row, ok := p.picked[set]
	if !ok {
		row = s.choose(p.user, rng)
		p.picked[set] = row
	}
	return s.rows[row][column]
}

func (s *dataSet) choose(user int, rng *rand.Rand) int {
	switch s.pick {
	case "sequential":
		return int((s.next.Add(1) - 1) % int64(len(s.rows)))
	case "unique":
		return user % len(s.rows)
	case "weighted":
		at := rng.Float64() * s.weights[len(s.weights)-1]
		row, _ := slices.BinarySearch(s.weights, at)
		return min(row, len(s.rows)-1)
	}
	return rng.IntN(len(s.rows))
}

// readData reads a JSON array of objects, a CSV file with a header, or lines of text.
func readData(path, weightColumn, pick string) (*dataSet, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &dataSet{pick: pick, next: new(atomic.Int64)}
	switch filepath.Ext(path) {
	case ".json":
		err = s.readJSON(text)
	case ".csv":
		err = s.readCSV(string(text))
	default:
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" {
				s.rows = append(s.rows, map[string]value{"": {text: line}})
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(s.rows) == 0 {
		return nil, fmt.Errorf("%s: holds no rows", path)
	}
	if weightColumn != "" {
		return s, s.weigh(path, weightColumn)
	}
	return s, nil
}

func (s *dataSet) readJSON(text []byte) error {
	var rows []map[string]any
	if err := json.Unmarshal(text, &rows); err != nil {
		return fmt.Errorf("want an array of objects: %w", err)
	}
	for _, r := range rows {
		row := map[string]value{}
		for name, v := range r {
			if !slices.Contains(s.columns, name) {
				s.columns = append(s.columns, name)
			}
			switch v := v.(type) {
			case string:
				row[name] = value{text: v}
			default:
				raw, err := json.Marshal(v)
				if err != nil {
					return err
				}
				row[name] = value{string(raw), true}
			}
		}
		s.rows = append(s.rows, row)
	}
	slices.Sort(s.columns)
	return nil
}

func (s *dataSet) readCSV(text string) error {
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) == 0 {
		return err
	}
	s.columns = records[0]
	for _, r := range records[1:] {
		row := map[string]value{}
		for i, v := range r {
			row[s.columns[i]] = value{text: v}
		}
		s.rows = append(s.rows, row)
	}
	return nil
}

func (s *dataSet) weigh(path, column string) error {
	sum := 0.0
	for i, row := range s.rows {
		w, err := strconv.ParseFloat(row[column].text, 64)
		if err != nil || w < 0 {
			return fmt.Errorf("%s: row %d: weight column %s holds %q, not a number", path, i+1, column, row[column].text)
		}
		sum += w
		s.weights = append(s.weights, sum)
	}
	if sum == 0 {
		return fmt.Errorf("%s: all weights are 0", path)
	}
	if s.pick == "" {
		s.pick = "weighted"
	}
	return nil
}
