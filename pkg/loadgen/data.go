package loadgen

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// The ways in which an iteration picks a row of a data set.
const (
	pickRandom     = "random"
	pickSequential = "sequential"
	pickWeighted   = "weighted"
	pickUnique     = "unique"
)

var picks = []string{pickRandom, pickSequential, pickWeighted, pickUnique}

// A dataSet is rows of test data, and how one is picked for an iteration.
type dataSet struct {
	name    string
	at      strictyaml.Place // in the scenario
	file    string
	columns []string  // the only one of lines of text is ""
	rows    [][]value // by column
	lines   []int     // where each row begins in the file
	pick    string
	weights []float64 // cumulative
	broken  bool      // its file has a mistake, which has been told
	used    bool      // by some ${…}
}

// dataPicks holds the rows that the iteration of one user has picked.
type dataPicks struct {
	sets      []*dataSet
	user      int
	iteration uint64
	rows      []int // by set, from 1; 0: not picked yet
}

func (p *dataPicks) begin(iteration uint64) {
	clear(p.rows)
	p.iteration = iteration
}

func (p *dataPicks) value(set, column int, rng *rand.Rand) (value, bool) {
	s := p.sets[set]
	if p.rows[set] == 0 {
		p.rows[set] = s.choose(p.user, p.iteration, rng) + 1
	}
	return s.rows[p.rows[set]-1][column], true
}

// choose depends on nothing but the user, the iteration's number and its stream
// of random numbers, so that the rows are the same in one process or in many.
func (s *dataSet) choose(user int, iteration uint64, rng *rand.Rand) int {
	switch s.pick {
	case pickSequential:
		return int(iteration % uint64(len(s.rows)))
	case pickUnique:
		return user % len(s.rows)
	case pickWeighted:
		at := rng.Float64() * s.weights[len(s.weights)-1]
		row, exact := slices.BinarySearch(s.weights, at)
		if exact {
			row++ // [a, b): a row of weight 0 is never picked
		}
		return min(row, len(s.rows)-1)
	}
	return rng.IntN(len(s.rows))
}

// A dataError is a mistake at a line of a data file.
type dataError struct {
	line, column int
	text         string
}

func (e dataError) Error() string { return fmt.Sprintf("%d:%d: %s", e.line, e.column, e.text) }

// readData reads a JSON array of objects, a CSV file with a header, or lines of
// text. The errors are all mistakes in it, as file:line:column.
func readData(name, path, weightColumn, pick string) (*dataSet, []error) {
	s := &dataSet{name: name, file: path, pick: pick, broken: true}
	text, err := os.ReadFile(path)
	if err != nil {
		return s, []error{err}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // a spreadsheet's mark of UTF-8
	if line, column, message := strictyaml.NoUTF8(text); message != "" {
		return s, []error{placedIn(path, dataError{line, column, message})}
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		err = s.readJSON(text)
	case ".csv":
		err = s.readCSV(text)
	default:
		s.readLines(string(text))
	}
	if err == nil && len(s.rows) == 0 {
		err = dataError{1, 1, "holds no rows"}
	}
	if err != nil {
		return s, []error{placedIn(path, err)}
	}
	if s.pick == "" && weightColumn != "" {
		s.pick = pickWeighted
	}
	var problems []error
	if weightColumn != "" {
		for _, err := range s.weigh(weightColumn) {
			problems = append(problems, placedIn(path, err))
		}
	}
	s.broken = len(problems) > 0
	return s, problems
}

func placedIn(path string, err error) error {
	var at dataError
	if errors.As(err, &at) {
		return fmt.Errorf("%s:%w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func (s *dataSet) readLines(text string) {
	s.columns = []string{""}
	line := 0
	for l := range strings.Lines(text) {
		line++
		if l = strings.TrimSpace(l); l != "" {
			s.rows, s.lines = append(s.rows, []value{{text: l}}), append(s.lines, line)
		}
	}
}

func (s *dataSet) readJSON(text []byte) error {
	at := func(offset int64) dataError {
		before := text[:min(max(int(offset), 0), len(text))]
		return dataError{line: bytes.Count(before, []byte("\n")) + 1, column: len(before) - bytes.LastIndexByte(before, '\n')}
	}
	fail := func(offset int64, format string, args ...any) error {
		e := at(offset)
		e.text = fmt.Sprintf(format, args...)
		return e
	}
	var whole json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, &whole); errors.As(err, &syntax) {
		return fail(syntax.Offset-1, "not JSON: %v", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return fail(0, "want an array of objects such as [{\"id\": \"a\"}]")
	}
	var rows []map[string]any
	line, counted := 1, int64(0)
	for dec.More() {
		start := skipBlank(text, dec.InputOffset())
		line += bytes.Count(text[counted:start], []byte("\n"))
		counted = start
		var row map[string]any
		if err := dec.Decode(&row); err != nil || row == nil {
			return fail(start, "want an object such as {\"id\": \"a\"}")
		}
		rows, s.lines = append(rows, row), append(s.lines, line)
	}
	return s.fill(rows)
}

// skipBlank is the first offset from which text is neither blank nor a comma.
func skipBlank(text []byte, offset int64) int64 {
	for offset < int64(len(text)) && strings.IndexByte(" \t\r\n,", text[offset]) >= 0 {
		offset++
	}
	return offset
}

// fill turns objects into rows; every one must have the columns of the first.
func (s *dataSet) fill(rows []map[string]any) error {
	for i, r := range rows {
		if i == 0 {
			s.columns = slices.Sorted(mapKeys(r))
		}
		for _, c := range s.columns {
			if _, has := r[c]; !has {
				return dataError{s.lines[i], 1, fmt.Sprintf("row %d has no %s, which the first row has", i+1, c)}
			}
		}
		row := make([]value, len(s.columns))
		for k, c := range s.columns {
			if text, is := r[c].(string); is {
				row[k] = value{text: text}
				continue
			}
			raw, err := json.Marshal(r[c])
			if err != nil {
				return err
			}
			row[k] = value{string(raw), true}
		}
		s.rows = append(s.rows, row)
	}
	return nil
}

func (s *dataSet) readCSV(text []byte) error {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1 // they are counted below
	for {
		record, err := r.Read()
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &wrong):
			return dataError{wrong.Line, max(wrong.Column, 1), csvMistake(wrong)}
		case err != nil:
			return err
		}
		line, _ := r.FieldPos(0)
		if s.columns == nil {
			if i := strings.IndexAny(record[0], ";\t"); i >= 0 && len(record) == 1 {
				return dataError{line, i + 1, fmt.Sprintf("columns are separated by commas, got %q between them", record[0][i:i+1])}
			}
			for i, c := range record {
				if c = strings.TrimSpace(c); c == "" || slices.Contains(s.columns, c) {
					return dataError{line, 1, fmt.Sprintf("the first line names the columns; column %d is %q, want a name that stands once", i+1, c)}
				}
				s.columns = append(s.columns, c)
			}
			continue
		}
		if len(record) != len(s.columns) {
			return dataError{line, 1, fmt.Sprintf("row has %d columns, the head has %d", len(record), len(s.columns))}
		}
		row := make([]value, len(record))
		for i, v := range record {
			row[i] = value{text: v}
		}
		s.rows, s.lines = append(s.rows, row), append(s.lines, line)
	}
}

// csvMistake says in plain words what is wrong with a quote.
func csvMistake(err *csv.ParseError) string {
	switch {
	case errors.Is(err.Err, csv.ErrQuote):
		return fmt.Sprintf("a quote of the row that begins in line %d is never closed, or text goes on behind it", err.StartLine)
	case errors.Is(err.Err, csv.ErrBareQuote):
		return `a quote inside of a value: put all of the value in quotes, and write "" for each in it`
	}
	return err.Err.Error()
}

// weigh reads the column of weights.
func (s *dataSet) weigh(column string) (problems []error) {
	col := slices.Index(s.columns, column)
	if col < 0 {
		return []error{dataError{1, 1, fmt.Sprintf("has no column %s for the weight; it has %s", column, strings.Join(s.columns, ", "))}}
	}
	sum := 0.0
	for i, row := range s.rows {
		w, err := strconv.ParseFloat(row[col].text, 64)
		if err != nil || !(w >= 0 && w <= maxWeight) {
			problems = append(problems, dataError{s.lines[i], 1, fmt.Sprintf("column %s is %q, want a weight from 0 to %d", column, row[col].text, maxWeight)})
			continue
		}
		sum += w
		s.weights = append(s.weights, sum)
	}
	if sum == 0 && problems == nil {
		problems = append(problems, dataError{s.lines[0], 1, "all weights are 0"})
	}
	return problems
}
