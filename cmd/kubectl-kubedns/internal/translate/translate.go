// Package translate turns the configuration of CoreDNS into that of kube-dns, and back.
//
// It is pure. Each setting without an equivalent becomes a [Finding] of level [Refused] with its
// line: no setting is dropped silently.
package translate

import (
	"cmp"
	"slices"
)

// A Level is the result of translating a setting.
type Level string

const (
	// Same has the same effect on the other server.
	Same Level = "same"
	// Dropped has no effect on replies, or is the other server's default.
	Dropped Level = "dropped"
	// Changed has an equivalent, with a difference for clients or operators.
	Changed Level = "changed"
	// Refused has no equivalent. It is dropped only if its code is accepted.
	Refused Level = "refused"
)

// A Finding is one setting and its translation.
type Finding struct {
	Level Level `json:"level"`
	// Code is empty for Same and Dropped.
	Code string `json:"code,omitempty"`
	// Place is a line of the Corefile, a key of the ConfigMap, or an argument's container.
	Place string `json:"place"`
	// From is the setting as written.
	From string `json:"from"`
	// To is the translation, or the reason for a refusal with a remedy.
	To string `json:"to"`
}

// findings are in the order of the source.
type findings []Finding

func (f *findings) add(level Level, code, place, from, to string) {
	*f = append(*f, Finding{level, code, place, from, to})
}

// Count returns the number of findings of a level.
func Count(list []Finding, level Level) int {
	n := 0
	for _, f := range list {
		if f.Level == level {
			n++
		}
	}
	return n
}

// Unaccepted returns the refused findings whose code is not accepted.
func Unaccepted(list []Finding, accepted []string) []Finding {
	var left []Finding
	for _, f := range list {
		if f.Level == Refused && !slices.Contains(accepted, f.Code) {
			left = append(left, f)
		}
	}
	return left
}

// A Code is the kind of a change or a refusal.
type Code struct {
	Code string
	// Text is the meaning of the code.
	Text string
}

// Codes returns all codes, sorted.
func Codes() []Code {
	codes := append(refusals(), changes()...)
	for _, b := range Behaviours() {
		codes = append(codes, Code{b.Code, b.Name})
	}
	slices.SortFunc(codes, func(a, b Code) int { return cmp.Compare(a.Code, b.Code) })
	return codes
}

// IsCode reports whether code is one of Codes.
func IsCode(code string) bool {
	return slices.ContainsFunc(Codes(), func(c Code) bool { return c.Code == code })
}

// Codes of settings with an equivalent that differs.
const (
	codeTCP      = "MG21"
	codeAutopath = "MG22"
	codePolicy   = "MG23"
	codeCache    = "MG24"
	codeLimit    = "MG25"
	codeLog      = "MG26"
	codeExcept   = "MG28"
	codeLoop     = "MG29"
)

func changes() []Code {
	return []Code{
		{codeTCP, "upstream servers are queried over UDP first"},
		{codeAutopath, "clients send one query for each name of their search list"},
		{codePolicy, "which upstream server is queried first"},
		{codeCache, "the cache counts or keeps records in another way"},
		{codeLimit, "a limit has another value"},
		{codeLog, "queries are logged in another form"},
		{codeExcept, "names that are not forwarded get another error"},
		{codeLoop, "a forwarding loop stops CoreDNS; dnsmasq leaves the server out"},
	}
}

// Codes of settings without an equivalent.
const (
	codeUnknown    = "MG40"
	codeRewrite    = "MG41"
	codeEncrypted  = "MG42"
	codeZone       = "MG43"
	codeTemplate   = "MG44"
	codeHosts      = "MG45"
	codeServer     = "MG46"
	codePlugin     = "MG47"
	codeUpstream   = "MG48"
	codeBind       = "MG49"
	codeThrough    = "MG50"
	codeMany       = "MG51"
	codeFederation = "MG60"
	codeOption     = "MG61"
	codeHost       = "MG62"
	codeFlag       = "MG63"
)

func refusals() []Code {
	return []Code{
		{codeUnknown, "an unknown plugin, or an unknown option of a plugin"},
		{codeRewrite, "rewrite"},
		{codeEncrypted, "upstream servers over TLS or HTTPS"},
		{codeZone, "a second cluster zone, or a limit to some namespaces or objects"},
		{codeTemplate, "a template that is neither one address nor NXDOMAIN"},
		{codeHosts, "hosts: names of the cluster zone, a file that is not mounted, or other names refused"},
		{codeServer, "a server block on another port or with another protocol"},
		{codePlugin, "a plugin without an equivalent in kube-dns"},
		{codeUpstream, "upstream servers given by name or by a file of their own"},
		{codeBind, "a server on some addresses only"},
		{codeThrough, "names of the zone that are answered elsewhere (fallthrough)"},
		{codeMany, "more upstream servers than the other side takes"},
		{codeFederation, "federations"},
		{codeOption, "an option of dnsmasq without an equivalent in CoreDNS"},
		{codeHost, "a stub server given by name"},
		{codeFlag, "a flag of kube-dns without an equivalent in CoreDNS"},
	}
}
