package run

import (
	"reflect"
	"time"
)

// aligned returns a copy of v whose moments are told by the run's own clock: its
// start by the wall clock, and the time since then by the monotonic one. The wall
// clock may be set during a run; and a moment that is written down loses its
// monotonic reading, so that what is judged now and what is judged from the kept
// files would differ by what the two clocks do.
func aligned[T any](start time.Time, v T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	alignInto(start, out, reflect.ValueOf(&v).Elem())
	return out.Interface().(T) // it was made as a T
}

func alignInto(start time.Time, to, from reflect.Value) {
	if at, ok := from.Interface().(time.Time); ok {
		if !at.IsZero() {
			at = start.Round(0).Add(at.Sub(start))
		}
		to.Set(reflect.ValueOf(at))
		return
	}
	switch from.Kind() {
	case reflect.Struct:
		for i := range from.NumField() {
			alignInto(start, to.Field(i), from.Field(i))
		}
	case reflect.Slice:
		if from.IsNil() {
			return
		}
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			alignInto(start, to.Index(i), from.Index(i))
		}
	case reflect.Pointer:
		if from.IsNil() {
			return
		}
		to.Set(reflect.New(from.Type().Elem()))
		alignInto(start, to.Elem(), from.Elem())
	default:
		to.Set(from)
	}
}
