package dnstap

import (
	"time"

	dnstap "github.com/dnstap/golang-dnstap"
	"google.golang.org/protobuf/proto"

	"github.com/kube-dns/kube-dns/pkg/querylog"
)

// encode returns an entry as a dnstap message of type CLIENT_RESPONSE. It has both times, so there
// is no CLIENT_QUERY.
func encode(e *querylog.Entry, identity, version string) ([]byte, error) {
	m := &dnstap.Message{
		Type:            dnstap.Message_CLIENT_RESPONSE.Enum(),
		SocketProtocol:  dnstap.SocketProtocol_UDP.Enum(),
		ResponseMessage: e.Message,
	}
	if e.TCP {
		m.SocketProtocol = dnstap.SocketProtocol_TCP.Enum()
	}
	if e.Client.IsValid() {
		m.QueryAddress = e.Client.AsSlice()
		m.SocketFamily = dnstap.SocketFamily_INET.Enum()
		if e.Client.Is6() {
			m.SocketFamily = dnstap.SocketFamily_INET6.Enum()
		}
	}
	m.QueryTimeSec, m.QueryTimeNsec = parts(e.Time)
	m.ResponseTimeSec, m.ResponseTimeNsec = parts(e.Time.Add(e.Took))
	return proto.Marshal(&dnstap.Dnstap{
		Type: dnstap.Dnstap_MESSAGE.Enum(), Identity: []byte(identity), Version: []byte(version),
		Extra: []byte("path=" + string(e.Path)), Message: m,
	})
}

// parts returns a time in the form of dnstap.
func parts(t time.Time) (sec *uint64, nsec *uint32) {
	return new(uint64(t.Unix())), new(uint32(t.Nanosecond()))
}
