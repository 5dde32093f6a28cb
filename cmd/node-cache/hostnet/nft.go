package hostnet

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// register holds the value that one expression loads and the next compares.
const register = 1

// nft returns the rule for all addresses of a family.
func (r rule) nft(in *nftables.Table, chain *nftables.Chain, fam family, addrs *nftables.Set) *nftables.Rule {
	exprs := append(equal(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}, []byte{fam.number()}),
		equal(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, []byte{protoNumber(r.proto)})...)
	exprs = append(exprs, fam.load(r.from),
		&expr.Lookup{SourceRegister: register, SetName: addrs.Name, SetID: addrs.ID})
	exprs = append(exprs, equal(loadPort(r.from), binaryutil.BigEndian.PutUint16(r.port))...)
	if r.self != nil {
		exprs = append(exprs, equal(fam.load(!r.from), families(r.self)[fam][0].AsSlice())...)
	}
	if r.toLocal {
		exprs = append(exprs, equal(&expr.Fib{Register: register, FlagDADDR: true, ResultADDRTYPE: true},
			binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL))...)
	}
	comment := commentRaw
	if r.target == keepAddress {
		comment = commentNAT
		exprs = append(exprs, fam.load(false), &expr.NAT{
			Type: expr.NATTypeDestNAT, Family: uint32(fam.number()), RegAddrMin: register,
		})
	} else {
		exprs = append(exprs, &expr.Notrack{})
	}
	return &nftables.Rule{
		Table: in, Chain: chain, Exprs: exprs,
		UserData: userdata.AppendString(nil, userdata.TypeComment, comment),
	}
}

func equal(load expr.Any, value []byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: value}}
}

func loadPort(source bool) expr.Any {
	const sourcePort, destinationPort = 0, 2 // of TCP and UDP
	offset := uint32(destinationPort)
	if source {
		offset = sourcePort
	}
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}
}

func protoNumber(proto string) byte {
	if proto == "tcp" {
		return unix.IPPROTO_TCP
	}
	return unix.IPPROTO_UDP
}

func (f family) number() byte {
	if f == ipv4 {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_IPV6
}

// load reads the source or the destination address of a packet.
func (f family) load(source bool) expr.Any {
	offset, size := uint32(24), uint32(16)
	if f == ipv4 {
		offset, size = 16, 4
	}
	if source {
		offset -= size
	}
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}
}
