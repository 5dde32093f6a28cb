package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// runSign writes the signature of a file next to it, separately and in a bundle, like `cosign
// sign-blob`. The password of an encrypted key is in COSIGN_PASSWORD, as for cosign.
func runSign(_ context.Context, fs *flag.FlagSet, args []string, _ io.Writer) error {
	path := fs.String("key", "",
		"`file` with a private ECDSA key in PEM, of openssl ecparam -genkey or cosign generate-key-pair")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *path == "" || fs.NArg() != 1 {
		return errors.New("sign needs -key KEY and one file")
	}
	key, err := privateKey(*path, os.Getenv("COSIGN_PASSWORD"))
	if err == nil && key.Curve != elliptic.P256() {
		err = fmt.Errorf("the curve is %s, want P-256 (prime256v1)", key.Params().Name)
	}
	if err != nil {
		return fmt.Errorf("-key %s: %w", *path, err)
	}
	data, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		return err
	}
	whole, err := newBundle(&key.PublicKey, sum[:], signature)
	if err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(signature) + "\n"
	return errors.Join(os.WriteFile(fs.Arg(0)+".sig", []byte(text), 0o644),
		os.WriteFile(fs.Arg(0)+".sigstore.json", whole, 0o644))
}

// A bundle is a Sigstore bundle 0.3 with the signature of a file by a key.
type bundle struct {
	MediaType            string `json:"mediaType"`
	VerificationMaterial struct {
		PublicKey struct {
			Hint string `json:"hint"`
		} `json:"publicKey"`
	} `json:"verificationMaterial"`
	MessageSignature struct {
		MessageDigest struct {
			Algorithm string `json:"algorithm"`
			Digest    []byte `json:"digest"`
		} `json:"messageDigest"`
		Signature []byte `json:"signature"`
	} `json:"messageSignature"`
}

// newBundle returns the bundle of a signature. Its hint is the hash of the public key.
func newBundle(key *ecdsa.PublicKey, sum, signature []byte) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	hint := sha256.Sum256(der)
	b := bundle{MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json"}
	b.VerificationMaterial.PublicKey.Hint = base64.StdEncoding.EncodeToString(hint[:])
	b.MessageSignature.MessageDigest.Algorithm, b.MessageSignature.MessageDigest.Digest = "SHA2_256", sum
	b.MessageSignature.Signature = signature
	data, err := json.Marshal(b)
	return append(data, '\n'), err
}

// privateKey reads a key in the form SEC 1 or PKCS #8, or encrypted by cosign.
func privateKey(path, password string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			return parsePKCS8(block.Bytes)
		case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
			plain, err := encrypted.Decrypt(block.Bytes, []byte(password))
			if err != nil {
				return nil, fmt.Errorf("set COSIGN_PASSWORD to the password of this key: %w", err)
			}
			return parsePKCS8(plain)
		}
	}
	return nil, errors.New("there is no private key in PEM, either without a password or of cosign")
}

func parsePKCS8(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("this is a %T, want an ECDSA key", key)
}
