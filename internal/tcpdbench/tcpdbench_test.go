package tcpdbench_test

import (
	"math"
	"testing"

	"github.com/plumbline/plumbline/internal/tcpdbench"
)

// The examples in the source of the benchmark (TCPDBench, analysis/scripts/metrics.py).
func TestPublishedExamples(t *testing.T) {
	tests := []struct {
		name string
		got  float64
		want float64
	}{
		{"all found", tcpdbench.F1([][]int{{10, 20}, {11, 20}, {10}, {0, 5}}, []int{10, 20}), 1},
		{"one of three marked it", tcpdbench.F1([][]int{{}, {10}, {50}}, []int{10}), 0.9090909090909091},
		{"nothing found", tcpdbench.F1([][]int{{}, {10}, {50}}, nil), 0.8},
		{"covering of two", tcpdbench.Covering([][]int{{10, 20}, {10}, {0, 5}}, []int{10, 20}, 45), 0.7962962962962963},
		{"covering of one", tcpdbench.Covering([][]int{{}, {10}, {40}}, []int{10}, 45), 0.7954144620811286},
		{"covering of nothing", tcpdbench.Covering([][]int{{}, {10}, {40}}, nil, 45), 0.8189300411522634},
	}
	for _, tt := range tests {
		if math.Abs(tt.got-tt.want) > 1e-14 {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}
