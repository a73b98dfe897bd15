package explain

import (
	"slices"
	"time"

	"rollproof/loadtest/tally"
)

// The causes, in the order in which the rules are tried.
const (
	SamplerOutage        Cause = "sampler_outage"
	WrongVersion         Cause = "wrong_version"
	WrongAnswer          Cause = "wrong_answer"
	NameNotResolved      Cause = "name_not_resolved"
	TLSFailed            Cause = "tls_failed"
	OOMKill              Cause = "oom_kill"
	LivenessKill         Cause = "liveness_kill"
	Crash                Cause = "crash"
	NodeDown             Cause = "node_down"
	KilledAtGraceEnd     Cause = "killed_at_grace_end"
	ErrorWhileEnding     Cause = "server_error_while_terminating"
	NoEndpoint           Cause = "no_endpoint"
	ReadyTooEarly        Cause = "ready_too_early"
	RefusedAfterSigterm  Cause = "refused_after_sigterm"
	ClosedAtShutdown     Cause = "closed_at_shutdown"
	CutAtShutdown        Cause = "cut_at_shutdown"
	NotReadyRouted       Cause = "not_ready_routed"
	Overload             Cause = "overload"
	ServerError          Cause = "server_error"
	Rejected             Cause = "rejected"
	IdleClosed           Cause = "idle_connection_closed"
	RoutedAfterWithdrawn Cause = "routed_after_withdrawal"
	ShortAnswer          Cause = "short_answer"
	DroppedWhileReady    Cause = "dropped_while_ready"
	Unknown              Cause = "unknown"
)

// rule is one way in which a request is lost. The rules are tried in order, and
// the first that fits is the cause: those that rest on more come first.
type rule struct {
	cause Cause
	// loss tells whether the loss by itself is of this kind.
	loss func(*scene) bool
	// pod tells whether that pod was in a state that explains it; nil where no
	// pod is to blame. A rule with it fits where one of the suspects does.
	pod func(*scene, *history) bool
	// sentence and advice speak of all the losses of the cause.
	sentence func(*group) string
	advice   func(*group) string
}

// rules is the table. It is not changed.
var rules = []rule{
	{SamplerOutage, isOwnOutage, nil, saySampler, adviseSampler},
	{WrongVersion, isClass(tally.WrongVersion), nil, sayWrongVersion, adviseWrongVersion},
	{WrongAnswer, isClass(tally.WrongAnswer), nil, sayWrongAnswer, adviseWrongAnswer},
	{NameNotResolved, isClass(tally.DNS), nil, sayName, adviseName},
	{TLSFailed, isClass(tally.TLS), nil, sayTLS, adviseTLS},
	{OOMKill, isBroken, outOfMemory, sayOOM, adviseOOM},
	{LivenessKill, isBroken, failedProbe, sayLiveness, adviseLiveness},
	{Crash, isBroken, crashed, sayCrash, adviseCrash},
	{NodeDown, isBroken, onDownNode, sayNode, adviseNode},
	{KilledAtGraceEnd, isBroken, wasKilled, sayKilled, adviseKilled},
	{ErrorWhileEnding, isServerError, isEnding, sayErrorWhileEnding, adviseErrorWhileEnding},
	{NoEndpoint, isWithoutEndpoint, nil, sayNoEndpoint, adviseNoEndpoint},
	{ReadyTooEarly, isBrokenOrError, hadNotAnswered, sayTooEarly, adviseTooEarly},
	{RefusedAfterSigterm, isUntaken, stoppedListening, sayRefused, adviseDrain},
	{ClosedAtShutdown, isKeptConnectionClosed, isEnding, sayClosed, adviseConnectionClose},
	{CutAtShutdown, isCut, isEnding, sayCut, adviseCut},
	{NotReadyRouted, isBrokenOrError, wasNotReady, sayNotReady, adviseNotReady},
	{Overload, isOverload, nil, sayOverload, adviseOverload},
	{ServerError, isAnyServerError, nil, sayServerError, adviseServerError},
	{Rejected, isClass(tally.WrongStatus), nil, sayRejected, adviseRejected},
	{IdleClosed, isIdleClosed, nil, sayIdle, adviseIdle},
	{RoutedAfterWithdrawn, isBroken, longWithdrawn, sayLongWithdrawn, adviseLongWithdrawn},
	{ShortAnswer, isClass(tally.ShortBody), nil, sayShort, adviseShort},
	{DroppedWhileReady, isBroken, wasReady, sayDropped, adviseDropped},
	{Unknown, func(*scene) bool { return true }, nil, sayUnknown, adviseUnknown},
}

// match is the rule that fits a loss, the pods that it fits for, and the scene as it
// is to be seen then.
type match struct {
	*rule
	place int
	fits  []*history
	scene *scene
}

// find returns the first rule that fits.
func find(s *scene) match {
	m := firstFit(s)
	if !s.dialing() || !m.isResidual() {
		return m
	}
	// At its dial all was well with those that it may have gone to, as far as is known:
	// one of them took it, and what became of that pod since is why it ended.
	if taken := firstFit(s.asTaken()); taken.place < m.place {
		return taken
	}
	return m
}

func firstFit(s *scene) match {
	for i := range rules {
		m := match{rule: &rules[i], place: i, scene: s}
		if !m.loss(s) {
			continue
		}
		if m.pod == nil {
			return m
		}
		m.fits = slices.DeleteFunc(s.suspects(), func(h *history) bool { return !m.pod(s, h) })
		if len(m.fits) > 0 {
			return m
		}
	}
	panic("explain: the last rule fits everything")
}

// isResidual tells whether the rule is one of those that fit where nothing that
// was seen of pods tells why.
func (m match) isResidual() bool {
	switch m.cause {
	case IdleClosed, RoutedAfterWithdrawn, DroppedWhileReady, Unknown:
		return true
	}
	return false
}

func isClass(c tally.Class) func(*scene) bool {
	return func(s *scene) bool { return s.Class == c }
}

// A loss for which a time in which the harness itself stood still accounts for
// the most part, or that the machine which sends had no means for.
func isOwnOutage(s *scene) bool {
	if s.inControlOutage() && (s.broken() || s.starved()) {
		return true
	}
	if s.Class == tally.Timeout {
		return s.ownLag() > s.End().Sub(s.At)/2
	}
	return (s.Class == tally.Other || s.Class == tally.Refused) && s.starved()
}

// A masked loss is one of the connection that was tried first.
func isBroken(s *scene) bool { return s.broken() || s.Masked() }

func isUntaken(s *scene) bool { return s.untaken() }

// What was dialed into stock went on from there: it can only have been cut later.
func isCut(s *scene) bool { return (s.cut() || s.Masked()) && !s.dialing() }

func isServerError(s *scene) bool { return s.status5xx() }

// Also a gateway's, of which no pod's state tells the reason.
func isAnyServerError(s *scene) bool { return s.status5xx() || s.gateway() }

func isBrokenOrError(s *scene) bool { return isBroken(s) || s.status5xx() }

func isWithoutEndpoint(s *scene) bool {
	if s.overdue() {
		return true
	}
	// What has just become ready is not at once routed to.
	before := latest(s.begun().Add(-usualRouteLag), s.book.Run.Start)
	return s.untaken() && s.holderName == "" && (s.book.noneRouted(s.begun()) || s.book.noneRouted(before))
}

// A kept connection on which no byte of the answer had come.
func isKeptConnectionClosed(s *scene) bool {
	return s.Reused && isCut(s) && s.Phase != tally.Answer && s.Class != tally.ShortBody
}

func isOverload(s *scene) bool {
	return s.busy() || (s.Class == tally.Timeout && s.atLimits())
}

// idleAtLeast is how long a connection must have carried nothing for its end to
// be a server's idle time-out: there are none of less than a second.
const idleAtLeast = time.Second

func isIdleClosed(s *scene) bool {
	return s.Reused && (s.Class == tally.EOF || s.Class.IsReset() || s.Masked()) &&
		s.Phase != tally.Answer && s.IdleSeconds >= idleAtLeast.Seconds()
}

// met returns the outage of the pod's container that the loss met. One to which
// nothing was routed is no cause, unless that is why nothing was routed at all.
func met(s *scene, h *history) (outage, bool) {
	o, ok := h.down(s.begun(), s.end)
	if ok && s.holder == nil && s.refused() && !s.may(h) && !s.book.noneRouted(s.begun()) {
		return outage{}, false
	}
	// A connection that was there is cut when the container ends, not later.
	if ok && s.cut() && s.begun().After(o.exit.At.Add(seenLag)) && !s.may(h) {
		return outage{}, false
	}
	return o, ok
}

func outOfMemory(s *scene, h *history) bool {
	o, ok := met(s, h)
	return ok && o.exit.OOM()
}

func failedProbe(s *scene, h *history) bool {
	o, ok := met(s, h)
	return ok && o.liveness
}

func crashed(s *scene, h *history) bool {
	_, ok := met(s, h)
	return ok
}

func onDownNode(s *scene, h *history) bool {
	for _, span := range h.nodeDown {
		if overlaps(span, s.begun(), s.end) && !h.answeredNewAfter(span.From.Add(silenceBefore)) && s.may(h) {
			return true
		}
	}
	return false
}

// wasKilled: the request ended with the pod's kill, or reached for it just after.
func wasKilled(s *scene, h *history) bool {
	at, ok := h.killed()
	return ok && !s.end.Before(at.Add(-seenLag)) && !s.begun().After(at.Add(routeLag))
}

// isEnding: the pod had been told to end. Where the holder is not known, only one
// that was still there can be it, and not one that went on to serve.
func isEnding(s *scene, h *history) bool {
	if !h.terminating(s.end) {
		return false
	}
	there := h.Gone.IsZero() || !s.begun().After(h.Gone.Add(watchLag))
	if s.taken { // it may close what it has kept, and go on to take new connections
		return there && s.may(h)
	}
	return s.holder == h || there && !h.answeredNewAfter(s.end)
}

// stoppedListening: the pod was to end, new connections still came to it, and it
// took none of them. Where one was there for a while, it must have come after
// SIGTERM, and the pod must not have taken a later one: otherwise it was under way.
// But a pod that still answered others afterwards cut nothing that was: then it had
// closed its listener, and with it what waited there, in whatever order that came.
func stoppedListening(s *scene, h *history) bool {
	since := s.end
	if !s.refused() && !h.answeredAfter(s.end) {
		since = s.begun()
	}
	// What would have been refused is soon closed by what took it, and not used: that it
	// was kept tells of a pod that was gone, whose address did not answer at all.
	if s.dialing() && s.Class != tally.Timeout && s.IdleSeconds >= idleAtLeast.Seconds() && !h.endedBy(since.Add(seenLag)) {
		return false
	}
	return h.terminating(since) && s.may(h) && (s.holder == h || !h.answeredNewAfter(since))
}

// How long a pod that is ready must be silent for its silence to tell something
// of a loss that may have been another's (the word of a new endpoint takes a second
// until it is routed to), and for how long after it was ready
// its template does where answers do not name their pods.
const (
	silentFor     = 1500 * time.Millisecond
	unansweredFor = 2 * time.Minute
)

// hadNotAnswered: the pod was called ready before it could answer.
func hadNotAnswered(s *scene, h *history) bool {
	if h.AtStart || h.terminating(s.end) || h.Ready.IsZero() || h.Ready.After(s.end.Add(watchLag)) || !s.may(h) {
		return false
	}
	if !s.book.named {
		// One that stopped to listen is the likelier cause.
		ending := s.refused() && slices.ContainsFunc(s.suspects(), func(o *history) bool { return stoppedListening(s, o) })
		return !ending && len(h.template.Containers) > 0 && h.container().Readiness == nil && s.begun().Before(h.Ready.Add(unansweredFor))
	}
	first := h.firstAnswer()
	if s.holder == h {
		return first.IsZero() || first.After(s.end)
	}
	if first.IsZero() {
		first = s.book.Run.End
	}
	// One that stopped listening and ended, then or right after SIGTERM, is the
	// likelier cause: while it was still routed to, it held up what would have been
	// the other's first answer. One that drained was still there.
	ended := func(o *history) bool {
		late := !o.withdrawn.IsZero() && s.begun().After(o.withdrawn.Add(usualRouteLag))
		return !late && stoppedListening(s, o) && (o.endedBy(s.end.Add(watchLag)) || o.endedBy(o.Terminating.Add(seenLag)))
	}
	return first.After(s.begun()) && first.Sub(h.Ready) > silentFor && !slices.ContainsFunc(s.suspects(), ended)
}

// wasNotReady: the pod said that it was not ready, and was routed to.
func wasNotReady(s *scene, h *history) bool {
	return len(h.Readiness) > 0 && !h.ReadyAt(s.begun()) && !h.terminating(s.end) && s.may(h) &&
		(s.holder == h || !h.answeredNewAfter(s.begun()))
}

// wasReady: the pod was ready, was to live, and did; where it is not known which it
// was, no other that may have been it was about to end. One that was, and went on to
// let others in, served as those do that are to live.
func wasReady(s *scene, h *history) bool {
	ending := func(o *history) bool {
		return o.terminating(s.end) && (s.holder == o || s.may(o) && !o.answeredNewAfter(s.end))
	}
	if ending(h) || !h.ReadyAt(s.begun()) || s.unseen() {
		return false
	}
	return s.holder == h || s.may(h) && !slices.ContainsFunc(s.suspects(), ending)
}

// longWithdrawn: the pod had ended, its endpoint was withdrawn, and something in
// front of the cluster still went to it.
func longWithdrawn(s *scene, h *history) bool {
	return h.terminating(s.end) && !h.withdrawn.IsZero() && s.begun().Before(h.withdrawn.Add(balancerLag)) &&
		!h.answeredNewAfter(s.begun()) && (s.refused() || s.holder == h)
}
