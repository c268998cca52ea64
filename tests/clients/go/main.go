// Go's x/crypto/ssh. What a driver is: run.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	_ "unsafe" // go:linkname: the package does not tell what it knows

	"golang.org/x/crypto/ssh"
)

// Only the keys are looked at, and interfaces and pointers are as wide as these.
//
//go:linkname kexTable golang.org/x/crypto/ssh.kexAlgoMap
var kexTable map[string]interface{}

//go:linkname cipherTable golang.org/x/crypto/ssh.cipherModes
var cipherTable map[string]*byte

//go:linkname macTable golang.org/x/crypto/ssh.macModes
var macTable map[string]*byte

//go:linkname hostKeys golang.org/x/crypto/ssh.supportedHostKeyAlgos
var hostKeys []string

//go:linkname userKeys golang.org/x/crypto/ssh.supportedPubKeyAuthAlgos
var userKeys []string

func known() {
	fmt.Println("version x/crypto/ssh, " + os.Getenv("GO_VERSION"))
	for name := range kexTable {
		fmt.Println("kex", name)
	}
	for name := range cipherTable {
		fmt.Println("cipher", name)
	}
	for name := range macTable {
		fmt.Println("mac", name)
	}
	for _, name := range hostKeys {
		fmt.Println("hostkey", name)
	}
	for _, name := range userKeys {
		fmt.Println("userkey", name)
	}
	fmt.Println("comp none")
}

func try(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(255)
	}
}

func one(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

func config(a map[string]string) *ssh.ClientConfig {
	text, err := os.ReadFile(a["key"])
	try(err)
	signer, err := ssh.ParsePrivateKey(text)
	try(err)
	text, err = os.ReadFile(a["hostpub"])
	try(err)
	checks := func(name string, address net.Addr, key ssh.PublicKey) error {
		if !bytes.Contains(text, bytes.TrimSpace(ssh.MarshalAuthorizedKey(key))) {
			return fmt.Errorf("another host key")
		}
		return nil
	}
	if strings.Contains(a["hostkey"], "-cert-v01@") {
		line, err := os.ReadFile(a["hostpub"] + ".ca")
		try(err)
		authority, _, _, _, err := ssh.ParseAuthorizedKey(line)
		try(err)
		checks = (&ssh.CertChecker{IsHostAuthority: func(key ssh.PublicKey, address string) bool {
			return bytes.Equal(key.Marshal(), authority.Marshal())
		}}).CheckHostKey
	}
	macs := one(a["mac"])
	if macs == nil && strings.HasSuffix(a["cipher"], "-cbc") {
		macs = []string{"hmac-sha2-256", "hmac-sha1"} // with -etm@ its newCBCCipher() does not do what it agreed to; with sshd neither
	}
	return &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: one(a["kex"]), Ciphers: one(a["cipher"]), MACs: macs},
		User:              a["user"],
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   checks,
		HostKeyAlgorithms: one(a["hostkey"]),
	}
}

func main() {
	if os.Args[1] == "known" {
		known()
		return
	}
	a := map[string]string{}
	for _, word := range os.Args[2:] {
		at := strings.IndexByte(word, '=')
		a[word[:at]] = word[at+1:]
	}
	client, err := ssh.Dial("tcp", a["host"]+":"+a["port"], config(a))
	try(err)
	defer client.Close()
	session, err := client.NewSession()
	try(err)
	session.Stdin, session.Stdout, session.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = session.Run(a["command"])
	if status, ok := err.(*ssh.ExitError); ok {
		os.Exit(status.ExitStatus())
	}
	try(err)
}
