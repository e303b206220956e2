package loadgen

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// totals is what the sum of all requests is called, as by Locust.
const totals = "Aggregated"

// WriteTable writes the totals by request in the order of the scenario, and
// those of all, as Locust does. Times are response times in milliseconds.
func (s Summary) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, r Totals) {
		share := 100 * float64(r.Failures) / max(float64(r.Requests), 1)
		times := r.ResponseTime
		fmt.Fprintf(t, "%d\t%d (%.2f%%)\t%s\t", r.Requests, r.Failures, share, number(r.RequestsPerSecond))
		for _, v := range []float64{times.Mean, times.P50, times.P95, times.P99, times.P999, times.Max} {
			text := "-"
			if r.Requests > 0 {
				text = Milliseconds(v)
			}
			fmt.Fprintf(t, "%s\t", text)
		}
		fmt.Fprintf(t, "  %s\n", name)
	}
	fmt.Fprintln(t, "requests\tfailures\treq/s\tmean ms\tp50\tp95\tp99\tp99.9\tmax\t  request")
	for _, r := range s.ByRequest {
		row(r.Request, r.Totals)
	}
	row(totals, s.Totals)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range s.ByRequest {
		var reasons []string
		for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
			reasons = append(reasons, fmt.Sprintf("%d × %s", r.Reasons[reason], reason))
		}
		if len(reasons) > 0 {
			if _, err := fmt.Fprintf(w, "failures of %s: %s\n", r.Request, strings.Join(reasons, ", ")); err != nil {
				return err
			}
		}
	}
	return nil
}

// Milliseconds prints seconds as milliseconds: whole ones from 10 on, two
// significant digits below, so that what is fast is not shown as 0.
func Milliseconds(seconds float64) string {
	ms := seconds * 1e3
	if ms >= 10 || ms <= 0 {
		return strconv.FormatFloat(ms, 'f', 0, 64)
	}
	digits := 1
	for v := ms; v < 1 && digits < 6; v *= 10 {
		digits++
	}
	return strconv.FormatFloat(ms, 'f', digits, 64)
}
