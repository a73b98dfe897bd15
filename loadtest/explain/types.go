// Package explain says why requests were lost: it takes the losses of the lanes
// and the cluster's timeline, finds for each loss the pod that held its
// connection and what that pod and its endpoint were doing at that moment, and
// names the first rule that fits. It also measures what a rollout took, well or
// badly. It is pure: it reads no clock, no file and no network, and it judges
// nothing.
package explain

import (
	"time"

	"rollproof/loadtest/tally"
)

// Cause names why requests were lost. It is a word for programs, in small
// letters with underscores; the values are those of the rules' table.
type Cause string

// Explanation is all losses of one cause.
type Explanation struct {
	Cause Cause  `json:"cause"`
	Count uint64 `json:"count"`
	// Masked is how many of them were answered right after all, by a retry that
	// the transport hid. Over all causes, Count less Masked is what was lost.
	Masked uint64    `json:"masked,omitempty"`
	From   time.Time `json:"from"`  // the first of them was due
	To     time.Time `json:"to"`    // the last of them ended; not before From
	Lanes  []string  `json:"lanes"` // sorted, never null
	Pods   []string  `json:"pods"`  // that held the connections, sorted, never null; empty where none is known
	// Sentence says what happened, with its numbers; Advice names the field to
	// change and a value computed from what was measured. Both are plain text
	// of one or more sentences. Advice is empty where nothing can be advised.
	Sentence string `json:"sentence"`
	Advice   string `json:"advice,omitempty"`
	// Examples are the earliest MaxExamples of them.
	Examples []Example `json:"examples"`
}

// MaxExamples is how many losses an Explanation shows one by one.
const MaxExamples = 5

// Example is one explained loss. The same loss stands among the losses of its
// lane, where Lane and Seq name it, unless more were lost than a lane keeps.
type Example struct {
	At       time.Time   `json:"at"` // when it was due
	Lane     string      `json:"lane"`
	Seq      uint64      `json:"seq"`
	Class    tally.Class `json:"class"`
	Detail   string      `json:"detail"`
	Pod      string      `json:"pod,omitempty"` // that held the connection; empty when unknown
	Sentence string      `json:"sentence"`      // what that pod and its endpoint were doing then
}

// Fact is one measured figure of a run. It is reported also when all is well.
type Fact struct {
	Name string `json:"name"` // a word for programs: endpoint_withdrawal
	// Value is set where there is one figure; Min, Median and Max where it was
	// measured Count times, on as many pods. What is not set is null.
	Value    *float64 `json:"value,omitempty"`
	Min      *float64 `json:"min,omitempty"`
	Median   *float64 `json:"median,omitempty"`
	Max      *float64 `json:"max,omitempty"`
	Count    int      `json:"count,omitempty"`
	Unit     string   `json:"unit"` // s, count or ratio
	Sentence string   `json:"sentence"`
}
