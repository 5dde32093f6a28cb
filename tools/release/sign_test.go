package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// shell runs a script in dir and returns its output.
func shell(t *testing.T, dir, script string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// verification returns the commands of RELEASE.md that check a signature without cosign.
func verification(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../RELEASE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, commands, ok := strings.Cut(string(text), "    base64 -d SHA256SUMS.sig")
	commands, _, end := strings.Cut(commands, "\n\n")
	if !ok || !end {
		t.Fatal("RELEASE.md has no commands that start with base64")
	}
	return "base64 -d SHA256SUMS.sig" + commands
}

// cosignKey writes a key pair like `cosign generate-key-pair`.
func cosignKey(t *testing.T, dir, password string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if der, err = encrypted.Encrypt(der, []byte(password)); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"key.pem":    {Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: der},
		"public.pem": {Type: "PUBLIC KEY", Bytes: public},
	} {
		write(t, filepath.Join(dir, name), string(pem.EncodeToMemory(block)))
	}
}

// TestSign signs with the keys of openssl and of cosign, and checks the signature with the commands
// of RELEASE.md. A file changed later is refused.
func TestSign(t *testing.T) {
	check := verification(t)
	openssl := func(script string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if out, err := shell(t, dir, script+"; openssl ec -in key.pem -pubout -out public.pem"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	t.Setenv("COSIGN_PASSWORD", "secret")
	for name, keys := range map[string]func(*testing.T, string){
		"SEC 1":   openssl("openssl ecparam -name prime256v1 -genkey -noout -out key.pem"),
		"PKCS #8": openssl("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem"),
		"cosign":  func(t *testing.T, dir string) { cosignKey(t, dir, "secret") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			keys(t, dir)
			write(t, filepath.Join(dir, "file"), "text\n")
			if out, err := shell(t, dir, "sha256sum file >SHA256SUMS"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			sums := filepath.Join(dir, "SHA256SUMS")
			if _, err := release(t, "sign", "-key", filepath.Join(dir, "key.pem"), sums); err != nil {
				t.Fatal(err)
			}
			if out, err := shell(t, dir, check); err != nil || !strings.Contains(out, "Verified OK\nfile: OK\n") {
				t.Errorf("%s\n%v\n%s", check, err, out)
			}
			signature, err := os.ReadFile(sums + ".sig")
			if err != nil {
				t.Fatal(err)
			}
			var b bundle
			text, err := os.ReadFile(sums + ".sigstore.json")
			if err = errors.Join(err, json.Unmarshal(text, &b)); err != nil {
				t.Fatal(err)
			}
			if got := base64.StdEncoding.EncodeToString(b.MessageSignature.Signature) + "\n"; got != string(signature) {
				t.Errorf("the bundle has the signature %s, and the file %s", got, signature)
			}
			write(t, sums, "0123  file\n")
			if out, err := shell(t, dir, check); err == nil {
				t.Errorf("other checksums are accepted:\n%s", out)
			}
		})
	}
}

// TestSignRefused checks keys that cannot sign.
func TestSignRefused(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "SHA256SUMS"), "0123  file\n")
	t.Setenv("COSIGN_PASSWORD", "other")
	cosignKey(t, dir, "secret")
	if out, err := shell(t, dir, "openssl genpkey -algorithm ed25519 -out ed25519.pem; "+
		"openssl ecparam -name secp384r1 -genkey -noout -out p384.pem"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for key, want := range map[string]string{
		"key.pem":     "set COSIGN_PASSWORD",
		"public.pem":  "no private key",
		"ed25519.pem": "want an ECDSA key",
		"p384.pem":    "want P-256",
		"none.pem":    "none.pem",
	} {
		_, err := release(t, "sign", "-key", filepath.Join(dir, key), file)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", key, err, want)
		}
	}
	if _, err := os.Stat(file + ".sig"); err == nil {
		t.Error("there is a signature")
	}
}
