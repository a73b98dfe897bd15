package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollproof/loadtest/tally"
	"rollproof/loadtest/timeline"
)

// group gathers the losses of one cause. What it holds does not depend on their
// order.
type group struct {
	rule     *rule
	book     *book
	count    uint64
	masked   uint64
	certain  uint64 // losses whose pod is known
	from, to time.Time
	lanes    map[string]bool
	pods     map[string]bool
	classes  map[tally.Class]uint64
	statuses map[int]uint64
	after    extent // from the pod's termination until the request was due
	idle     extent // of the connections
	lag      extent // the harness's own
	details  map[string]bool
	examples []Example
}

// extent is the least and the most of some durations.
type extent struct {
	least, most time.Duration
	any         bool
}

func (e *extent) add(d time.Duration) {
	if !e.any {
		*e = extent{d, d, true}
		return
	}
	e.least, e.most = min(e.least, d), max(e.most, d)
}

func newGroup(r *rule, b *book) *group {
	return &group{
		rule: r, book: b, lanes: map[string]bool{}, pods: map[string]bool{},
		classes: map[tally.Class]uint64{}, statuses: map[int]uint64{}, details: map[string]bool{},
	}
}

// maxDetails bounds how many different words of errors a group keeps; the
// smallest ones in their order, so that it does not matter which came first.
const maxDetails = 3

func (g *group) add(s *scene, fits []*history) {
	g.count++
	if s.Masked() {
		g.masked++
	} else {
		g.classes[s.Class]++
	}
	if s.Status != 0 && s.Class == tally.WrongStatus {
		g.statuses[s.Status]++
	}
	if g.from.IsZero() || s.At.Before(g.from) {
		g.from = s.At
	}
	g.to = latest(g.to, s.End())
	g.lanes[s.Lane] = true
	if s.holderName != "" {
		g.certain++
		g.pods[s.holderName] = true
	}
	for _, h := range fits {
		g.pods[h.Name] = true
	}
	if d, ok := sinceEnding(s, fits); ok {
		g.after.add(d)
	}
	if s.Reused {
		g.idle.add(time.Duration(s.IdleSeconds * float64(time.Second)))
	}
	g.lag.add(s.ownLag())
	g.addDetail(s.Detail)
	g.addExample(s, fits)
}

// sinceEnding returns how long after a pod's termination the request was due:
// of the pods that fit, the one that was told last.
func sinceEnding(s *scene, fits []*history) (time.Duration, bool) {
	var told time.Time
	for _, h := range fits {
		told = latest(told, h.Terminating)
	}
	if told.IsZero() {
		return 0, false
	}
	return max(s.begun().Sub(told), 0), true
}

func (g *group) addDetail(detail string) {
	if detail == "" {
		return
	}
	g.details[detail] = true
	if len(g.details) > maxDetails {
		delete(g.details, slices.Max(slices.Collect(maps.Keys(g.details))))
	}
}

func (g *group) addExample(s *scene, fits []*history) {
	e := Example{
		At: s.At, Lane: s.Lane, Seq: s.Seq, Class: s.Class, Detail: s.Detail,
		Pod: s.holderName, Sentence: tell(s, fits),
	}
	order := func(a, b Example) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Sentence, b.Sentence))
	}
	if len(g.examples) == MaxExamples && order(e, g.examples[MaxExamples-1]) >= 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(g.examples, e, order)
	g.examples = slices.Insert(g.examples, i, e)
	g.examples = g.examples[:min(len(g.examples), MaxExamples)]
}

// maxTold bounds how many pods the sentence of one loss speaks of.
const maxTold = 3

// tell says of one loss what is known of its connection, and what the pods that
// may have held it were doing.
func tell(s *scene, fits []*history) string {
	var b strings.Builder
	b.WriteString(connectionWords(s))
	switch {
	case s.holder != nil:
		fmt.Fprintf(&b, "; pod %s (%s) was %s", s.holderName, s.how, s.holder.words(s.moment()))
	case s.holderName != "":
		fmt.Fprintf(&b, "; pod %s (%s), of which the watch has nothing", s.holderName, s.how)
	case len(fits) > 0:
		var pods []string
		for _, h := range fits[:min(len(fits), maxTold)] {
			pods = append(pods, h.Name+" was "+h.words(s.moment()))
		}
		if more := len(fits) - maxTold; more > 0 {
			pods = append(pods, fmt.Sprintf("%d more", more))
		}
		fmt.Fprintf(&b, "; which pod is not known: %s", strings.Join(pods, "; "))
	default:
		b.WriteString("; which pod is not known")
	}
	return b.String()
}

// connectionWords says what is known of a loss's connection.
func connectionWords(s *scene) string {
	switch {
	case s.Conn == 0 && s.Phase == "":
		return "no connection was asked for"
	case s.Conn == 0:
		return fmt.Sprintf("no connection in %s", secs(s.end.Sub(s.At)))
	}
	kept := "new,"
	if s.Reused {
		kept = fmt.Sprintf("kept, idle for %s,", secs(time.Duration(s.IdleSeconds*float64(time.Second))))
	}
	how := map[tally.Phase]string{
		tally.Write: "in the middle of the request", tally.Wait: "before a byte of the answer", tally.Answer: "after the answer had begun",
		tally.Handshake: "in the TLS handshake",
	}[s.Phase]
	return fmt.Sprintf("connection %d (%s %d bytes written) %s", s.Conn, kept, s.Written, how)
}

// explanation puts the group into its reported form.
func (g *group) explanation() Explanation {
	return Explanation{
		Cause: g.rule.cause, Count: g.count, Masked: g.masked, From: g.from, To: g.to,
		Lanes:    append([]string{}, slices.Sorted(maps.Keys(g.lanes))...),
		Pods:     append([]string{}, slices.Sorted(maps.Keys(g.pods))...),
		Sentence: g.rule.sentence(g), Advice: g.rule.advice(g), Examples: g.examples,
	}
}

// histories returns the pods of the group that the watch knows, by name.
func (g *group) histories() []*history {
	var out []*history
	for _, name := range slices.Sorted(maps.Keys(g.pods)) {
		if h := g.book.pod(name, g.to); h != nil {
			out = append(out, h)
		}
	}
	return out
}

// container returns the serving container of the group's pods, the first known.
func (g *group) container() timeline.Container {
	for _, h := range g.histories() {
		if c := h.container(); c.Name != "" {
			return c
		}
	}
	return timeline.Container{}
}

// grace returns the seconds that the group's pods had between SIGTERM and
// SIGKILL; 0 where that is not known.
func (g *group) grace() float64 {
	for _, h := range g.histories() {
		if h.Grace != nil {
			return *h.Grace
		}
		if h.template.Grace > 0 {
			return h.template.Grace
		}
	}
	return 0
}

// what says how many requests of which classes: "12 requests (refused 10, timeout 2)".
func (g *group) what() string {
	var parts []string
	for _, c := range tally.Classes() {
		if n := g.classes[c]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", c, n))
		}
	}
	if g.masked > 0 {
		parts = append(parts, fmt.Sprintf("masked by a hidden retry %d", g.masked))
	}
	return fmt.Sprintf("%d %s (%s)", g.count, plural(g.count, "request", "requests"), strings.Join(parts, ", "))
}

// were is the verb for what.
func (g *group) were() string { return plural(g.count, "was", "were") }

// who names the group's pods, with what is not certain.
func (g *group) who() string {
	names := slices.Sorted(maps.Keys(g.pods))
	switch {
	case len(names) == 0:
		return "a pod that is not known"
	case len(names) == 1 && g.certain < g.count:
		return "pod " + names[0] + " (by what it was doing then)"
	case len(names) == 1:
		return "pod " + names[0]
	case g.certain < g.count:
		return "pods " + listed(names) + " (for some by what they were doing then)"
	}
	return "pods " + listed(names)
}

// maxListed bounds how many names a sentence has.
const maxListed = 5

func listed(names []string) string {
	if len(names) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func plural[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
