package hostnet

import (
	"errors"
	"io/fs"
	"slices"
)

// A Kind is a value of the label errortype.
type Kind string

// The kinds of errors.
const (
	KindRules          Kind = "iptables"
	KindRulesLock      Kind = "iptables_lock"
	KindInterfaceAdd   Kind = "interface_add"
	KindInterfaceCheck Kind = "interface_check"
)

// An Error is a failure that is counted.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Kinds returns the distinct kinds of the errors in err.
func Kinds(err error) []Kind {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var kinds []Kind
		for _, one := range joined.Unwrap() {
			for _, kind := range Kinds(one) {
				if !slices.Contains(kinds, kind) {
					kinds = append(kinds, kind)
				}
			}
		}
		return kinds
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return []Kind{e.Kind}
	}
	return nil
}

// advice returns the last part of an error about missing permissions.
func advice(err error, flag string) string {
	if !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	return ": give the container the capability NET_ADMIN, or set " + flag
}
