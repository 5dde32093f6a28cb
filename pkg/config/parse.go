package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kube-dns/kube-dns/internal/spelling"
)

// The keys of the ConfigMap, which are the file names of a directory.
const (
	keyFederations = "federations"
	keyStubDomains = "stubDomains"
	keyUpstreams   = "upstreamNameservers"
)

var allKeys = []string{keyFederations, keyStubDomains, keyUpstreams}

// maxUpstreams is the number of upstreamNameservers that Parse accepts.
const maxUpstreams = 15

const (
	stubDomainsForm = "want a JSON object of domains and their servers, for example " +
		`{"acme.example": ["192.0.2.1", "192.0.2.2:5353"]}`
	upstreamsForm = `want a JSON array of addresses, for example ["192.0.2.1", "192.0.2.2:5353"]`
)

// Parse parses a configuration, given as the text of each key. A key that is absent, blank or JSON
// null means the default. Unknown keys are ignored. The error is a *KeyError for the first invalid
// key, in the order federations, stubDomains, upstreamNameservers.
//
// Compat: the last of several equal names in a JSON object or in federations counts.
func Parse(files map[string]string) (Config, error) { return parse(files, false) }

// ParseTLS is Parse for readers that can send queries over TLS. It accepts servers such as
// "tls://192.0.2.1", with the port 853, or "tls://192.0.2.1:853#name" with the name in the server's
// certificate. An address must not be given in two ways.
func ParseTLS(files map[string]string) (Config, error) { return parse(files, true) }

func parse(files map[string]string, tls bool) (Config, error) {
	var cfg Config
	var err error
	if cfg.Federations, err = ParseFederations(files[keyFederations]); err != nil {
		return Config{}, keyError(keyFederations, err)
	}
	if cfg.StubDomains, err = parseStubDomains(files[keyStubDomains], tls); err != nil {
		return Config{}, keyError(keyStubDomains, err)
	}
	cfg.Repeated = repeatedNames(files[keyStubDomains])
	if cfg.Upstreams, err = parseUpstreams(files[keyUpstreams], tls); err != nil {
		return Config{}, keyError(keyUpstreams, err)
	}
	if err := cfg.checkTLS(); err != nil {
		return Config{}, err
	}
	for key := range files {
		if meant := meantKey(key); meant != "" && meant != key {
			cfg.Mistyped = append(cfg.Mistyped, key)
		}
	}
	slices.Sort(cfg.Mistyped)
	return cfg, nil
}

// checkTLS returns an error if one address is given in two ways: with and without TLS, or with two
// names.
func (c Config) checkTLS() error {
	seen := map[netip.AddrPort]Nameserver{}
	check := func(key string, ns Nameserver) error {
		before, found := seen[ns.AddrPort]
		if seen[ns.AddrPort] = ns; found && before != ns {
			return &KeyError{Key: key, Value: "server " + quote(ns.String()),
				Reason: "the same address is also given as " + before.String() + "; write one of them everywhere"}
		}
		return nil
	}
	for _, stub := range c.StubDomains {
		for _, server := range stub.Servers {
			if server.Host != "" {
				continue
			}
			if err := check(keyStubDomains, server.Nameserver); err != nil {
				return err
			}
		}
	}
	for _, ns := range c.Upstreams {
		if err := check(keyUpstreams, ns); err != nil {
			return err
		}
	}
	return nil
}

// meantKey returns the key that a mistyped one resembles, or "".
func meantKey(key string) string {
	const typos = 3
	return spelling.Nearest(key, allKeys, typos)
}

func parseStubDomains(text string, tls bool) ([]StubDomain, error) {
	var servers map[string][]string
	if err := decode(text, &servers, stubDomainsForm); err != nil {
		return nil, err
	}
	var stubs []StubDomain
	for _, domain := range slices.Sorted(maps.Keys(servers)) {
		if reason := checkName(domain); reason != "" {
			return nil, &KeyError{Value: "domain " + quote(domain), Reason: reason}
		}
		stub := StubDomain{Domain: domain}
		for _, s := range servers[domain] {
			server, reason := parseStubServer(s, tls)
			if reason != "" {
				return nil, &KeyError{Value: "server " + quote(s) + " of domain " + quote(domain), Reason: reason}
			}
			stub.Servers = append(stub.Servers, server)
		}
		stubs = append(stubs, stub)
	}
	return stubs, nil
}

// repeatedNames returns the duplicate names in text, a valid JSON object of arrays, sorted.
func repeatedNames(text string) []string {
	dec := json.NewDecoder(strings.NewReader(text))
	count := make(map[string]int)
	for {
		token, err := dec.Token() // of the object: a brace or a name
		if err != nil {
			break // the end of the object
		}
		name, ok := token.(string)
		if !ok {
			continue
		}
		count[name]++
		var servers json.RawMessage
		if dec.Decode(&servers) != nil {
			break
		}
	}
	maps.DeleteFunc(count, func(_ string, n int) bool { return n == 1 })
	return slices.Sorted(maps.Keys(count))
}

func parseUpstreams(text string, tls bool) ([]Nameserver, error) {
	var servers []string
	if err := decode(text, &servers, upstreamsForm); err != nil {
		return nil, err
	}
	if len(servers) > maxUpstreams {
		return nil, fmt.Errorf("%d servers are too many: at most %d are accepted", len(servers), maxUpstreams)
	}
	var list []Nameserver
	for _, s := range servers {
		ns, reason := parseServer(s, tls)
		if reason != "" {
			return nil, &KeyError{Value: "server " + quote(s), Reason: reason}
		}
		list = append(list, ns)
	}
	return list, nil
}

// decode decodes the JSON value in text into v. It does not change v if text is blank or null. form
// is the form that the error requests.
func decode(text string, v any, form string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	err := json.Unmarshal([]byte(text), v)
	if err == nil {
		return nil
	}
	if quote, offset := typographicQuote(text); quote != "" {
		return fmt.Errorf("invalid JSON in line %d: the typographic quote %s; write the plain quote \" in its place; %s",
			lineAt(text, int64(offset)+1), quote, form)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		if char := strangeCharacter(text, syntax.Offset); char != 0 {
			return fmt.Errorf("invalid JSON in line %d: the character %U, which JSON has only between quotes; delete it; %s",
				lineAt(text, syntax.Offset), char, form)
		}
		return fmt.Errorf("invalid JSON in line %d: %w; %s", lineAt(text, syntax.Offset), err, form)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("a JSON %s is out of place in line %d; %s", wrong.Value, lineAt(text, wrong.Offset), form)
	}
	return fmt.Errorf("invalid JSON: %w; %s", err, form)
}

// typographicQuote returns the first quote that a word processor has substituted for a plain one,
// and its offset in bytes.
func typographicQuote(text string) (string, int) {
	const quotes = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2033\uff02"
	offset := strings.IndexAny(text, quotes)
	if offset < 0 {
		return "", 0
	}
	r, _ := utf8.DecodeRuneInString(text[offset:])
	return string(r), offset
}

// strangeCharacter returns the character at a syntax error, if it is not ASCII: a byte order mark
// or a space that only looks like one.
func strangeCharacter(text string, offset int64) rune {
	if offset < 1 || offset > int64(len(text)) || text[offset-1] < utf8.RuneSelf {
		return 0
	}
	char, _ := utf8.DecodeRuneInString(text[offset-1:])
	return char
}

// lineAt returns the number, from 1, of the line at which the first offset bytes of text end.
func lineAt(text string, offset int64) int {
	offset = min(max(offset, 1), int64(len(text)))
	return 1 + strings.Count(text[:offset-1], "\n")
}

// keyError returns err as the error of a key.
func keyError(key string, err error) error {
	invalid, ok := errors.AsType[*KeyError](err)
	if !ok {
		invalid = &KeyError{Reason: err.Error()}
	}
	invalid.Key = key
	return invalid
}
