// Command score measures pkg/trend against people who marked the histories of
// SAP HANA's performance tests, by the measures of TCPDBench, and finds out how
// small a step is still seen.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/plumbline/plumbline/internal/tcpdbench"
	"github.com/plumbline/plumbline/pkg/trend"
)

func main() {
	data := flag.String("data", "../shared/data/changepoints", "`folder` with series.json.gz, or such a file")
	flag.Parse()
	if err := run(os.Stdout, *data); err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(2)
	}
}

// run prints all scores; without the data it says so, and that is all.
func run(w io.Writer, path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "series.json.gz")
	}
	series, err := tcpdbench.Read(path)
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(w, "SKIPPED: change points are not scored, for there is no %s; name it with --data\n", path)
		return nil
	} else if err != nil {
		return err
	}
	scored := slices.DeleteFunc(series, func(s tcpdbench.Series) bool { return !s.Scored() })
	fmt.Fprintf(w, "Against the marks of three or more people (TCPDBench, margin %d); half 0 and half 1 are by a hash of the key.\n", tcpdbench.Margin)
	fmt.Fprintln(w, "Flagged: share of the series with a find where nobody marked anything; where no two marked one place; where most marked nothing.")
	for _, d := range detectors {
		printScores(w, d, scored)
	}
	fmt.Fprintln(w, "\nA step added to each series that nobody marked, somewhere in its middle half:")
	for _, step := range []float64{0, 0.03, 0.05, 0.10} {
		printPower(w, step, scored)
	}
	return nil
}

type detector struct {
	name   string
	detect func(values []float64) []int
}

var detectors = []detector{
	{"strict", func(values []float64) []int { return found(values, trend.Strict) }},
	{"weak", func(values []float64) []int { return found(values, trend.Weak) }},
}

// found are the change points of at least a strength.
func found(values []float64, least trend.Strength) (at []int) {
	for _, c := range trend.Detect(values) {
		if c.Strength >= least {
			at = append(at, c.Index)
		}
	}
	return at
}

func printScores(w io.Writer, d detector, series []tcpdbench.Series) {
	fmt.Fprintf(w, "\n%-7s  %7s  %6s  %8s  %s\n", d.name, "series", "F1", "covering", "flagged: unmarked, no two agree, most unmarked")
	for half, name := range []string{"half 0", "half 1", "all"} {
		var n, f1, covering float64
		var quiet [3]share
		for _, s := range series {
			if half < 2 && s.Half() != half {
				continue
			}
			at := d.detect(s.Values)
			n++
			f1 += tcpdbench.F1(s.Marks, at)
			covering += tcpdbench.Covering(s.Marks, at, len(s.Values))
			for i, is := range []bool{s.Unmarked(), s.Undisputed(), s.MostlyUnmarked()} {
				if is {
					quiet[i].count(len(at) > 0)
				}
			}
		}
		if n == 0 {
			continue
		}
		fmt.Fprintf(w, "%-7s  %7.0f  %6.4f  %8.4f  %s, %s, %s\n", name, n, f1/n, covering/n, quiet[0], quiet[1], quiet[2])
	}
}

func printPower(w io.Writer, step float64, series []tcpdbench.Series) {
	var strict, weak share
	elsewhere := 0
	for _, s := range series {
		if !s.Unmarked() {
			continue
		}
		n := len(s.Values)
		at := n/4 + int(s.Hash()>>9)%(n/2)
		values := slices.Clone(s.Values)
		for i := at; i < n; i++ {
			values[i] *= 1 + step
		}
		isIt := func(c int) bool { return max(c-at, at-c) <= tcpdbench.Margin }
		alarms := found(values, trend.Strict)
		strict.count(slices.ContainsFunc(alarms, isIt))
		weak.count(slices.ContainsFunc(found(values, trend.Weak), isIt))
		for _, a := range alarms {
			if !isIt(a) {
				elsewhere++
			}
		}
	}
	fmt.Fprintf(w, "step %2.0f %%: strict %s, weak %s; strict ones elsewhere: %d\n", 100*step, strict, weak, elsewhere)
}

// A share of something, printed as a count and in percent.
type share struct{ yes, all int }

func (s *share) count(yes bool) {
	s.all++
	if yes {
		s.yes++
	}
}

func (s share) String() string {
	return fmt.Sprintf("%d/%d (%.0f %%)", s.yes, s.all, 100*float64(s.yes)/float64(max(s.all, 1)))
}
