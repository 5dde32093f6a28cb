package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/manifest"
)

const maxSize = 512 << 20

// Decode reads the output of Encode into a new zone. It does not check the objects: the encoded
// zone used the same ones.
func Decode(data []byte, domain string) (z *kubedns.Zone, written time.Time, err error) {
	body, written, err := open(data, domain)
	if err != nil {
		return nil, written, err
	}
	objects, err := manifest.DecodeUnchecked("snapshot.json", body)
	if err != nil {
		return nil, written, err
	}
	z = kubedns.NewZone(kubedns.Options{Domain: domain})
	for _, o := range objects.All {
		switch o := o.(type) {
		case *kubedns.Service:
			z.SetService(*o)
		case *kubedns.Endpoints:
			z.SetEndpoints(*o)
		}
	}
	z.Publish()
	return z, written, nil
}

// open checks the lines around the list, and returns the list.
func open(data []byte, domain string) (body []byte, written time.Time, err error) {
	text, ok := bytes.CutSuffix(data, []byte("\n"))
	at := bytes.LastIndexByte(text, '\n') + 1
	sum, isTrailer := bytes.CutPrefix(text[at:], []byte(trailer))
	if !ok || !isTrailer {
		return nil, written, errors.New("it is truncated: the checksum at its end is missing")
	}
	if want := sha256.Sum256(data[:at]); hex.EncodeToString(want[:]) != string(sum) {
		return nil, written, errors.New("it is damaged: the checksum is wrong")
	}
	head, body, _ := bytes.Cut(data[:at], []byte("\n"))
	var zone, stamp string
	if _, err := fmt.Sscanf(string(head), magic+"zone=%s written=%s", &zone, &stamp); err != nil {
		return nil, written, fmt.Errorf("its first line is not %q: %w", magic+"zone=... written=...", err)
	}
	if zone != domain {
		return nil, written, fmt.Errorf("it is of the zone %s, not %s", zone, domain)
	}
	if written, err = time.Parse(time.RFC3339, stamp); err != nil {
		return nil, written, fmt.Errorf("when it was written: %w", err)
	}
	return body, written, nil
}

// read is Decode for a file. confirmed is the last time at which its source was known to agree with
// it: the time of the file, which the keeper sets.
func read(path, domain string) (z *kubedns.Zone, written, confirmed time.Time, err error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxSize {
		err = fmt.Errorf("it has %d bytes, more than %d", info.Size(), maxSize)
	}
	if err != nil {
		return nil, written, confirmed, err
	}
	data, err := os.ReadFile(path)
	if err == nil {
		z, written, err = Decode(data, domain)
	}
	return z, written, info.ModTime(), err
}
