package observe

import (
	"fmt"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"rollproof/loadtest/timeline"
)

// seeSlice takes a slice's newest state, or its end; o.mu is held.
func (o *Observer) seeSlice(s *discoveryv1.EndpointSlice, gone bool) {
	before := o.endpoints[s.Name]
	now := map[string]timeline.Endpoint{}
	for _, e := range s.Endpoints {
		// By name, since a slice can be seen before the pods that it lists.
		if gone || e.TargetRef == nil || !strings.HasPrefix(e.TargetRef.Name, o.deployment+"-") {
			continue
		}
		// What a condition means where it is not said is the API's rule.
		ready := e.Conditions.Ready == nil || *e.Conditions.Ready
		serving := ready
		if e.Conditions.Serving != nil {
			serving = *e.Conditions.Serving
		}
		now[e.TargetRef.Name] = timeline.Endpoint{
			Service: s.Labels[discoveryv1.LabelServiceName], Slice: s.Name, Pod: e.TargetRef.Name,
			Ready: ready, Serving: serving, Terminating: e.Conditions.Terminating != nil && *e.Conditions.Terminating,
		}
	}
	for pod, endpoint := range now {
		if old, ok := before[pod]; !ok || old != endpoint {
			o.turn(endpoint, fmt.Sprintf("ready=%t serving=%t terminating=%t", endpoint.Ready, endpoint.Serving, endpoint.Terminating))
		}
	}
	for pod, old := range before {
		if _, ok := now[pod]; !ok {
			o.turn(timeline.Endpoint{Service: old.Service, Slice: s.Name, Pod: pod, Withdrawn: true}, "withdrawn")
		}
	}
	o.endpoints[s.Name] = now
}

// turn records a change of an endpoint; o.mu is held.
func (o *Observer) turn(e timeline.Endpoint, words string) {
	e.At = time.Now()
	o.turns = append(o.turns, e)
	o.event("EndpointSlice", e.Slice, "endpoint "+e.Pod, words)
}
