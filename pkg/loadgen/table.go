package loadgen

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
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
		times := r.ResponseTime
		fmt.Fprintf(t, "%d\t%d (%s)\t%s\t", r.Requests, r.Failures, Percent(r.Failures, r.Requests), number(r.RequestsPerSecond))
		for _, v := range []float64{times.Mean, times.P50, times.P95, times.P99, times.P999, times.Max} {
			text := "-"
			if times.Max > 0 { // else none was sent
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
		if reasons := r.reasons(); len(reasons) > 0 {
			if _, err := fmt.Fprintf(w, "failures of %s: %s\n", r.Request, strings.Join(reasons, ", ")); err != nil {
				return err
			}
		}
	}
	return nil
}

// mostStatuses is how many statuses are told apart.
const mostStatuses = 5

// reasons are why requests failed, and how often; of the statuses the most frequent ones first.
func (r RequestTotals) reasons() (all []string) {
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		if reason != BadStatus || len(r.Statuses) == 0 {
			all = append(all, fmt.Sprintf("%d × %s", r.Reasons[reason], reason))
			continue
		}
		rest := r.Reasons[reason]
		for i, status := range slices.SortedFunc(maps.Keys(r.Statuses), func(a, b string) int {
			return cmp.Or(cmp.Compare(r.Statuses[b], r.Statuses[a]), cmp.Compare(a, b))
		}) {
			if i == mostStatuses {
				all = append(all, fmt.Sprintf("%d × other statuses", rest))
				break
			}
			all = append(all, fmt.Sprintf("%d × status %s", r.Statuses[status], status))
			rest -= r.Statuses[status]
		}
	}
	return all
}

// Percent prints how much of a whole a part is. What is neither nothing nor all
// of it gets as many digits as it takes to see that.
func Percent(part, whole int64) string {
	share := 100 * float64(part) / max(float64(whole), 1)
	digits := 2
	for rest := min(part, whole-part); rest > 0 && 100*float64(rest)/float64(whole)*math.Pow10(digits) < 1 && digits < 9; digits++ {
	}
	return strconv.FormatFloat(share, 'f', digits, 64) + "%"
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
