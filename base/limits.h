#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* limits - every limit of the tree, and why it is what it is. */

/* -- transport (ssh/) */
#define SSH_PACKET_MAX        262144u	/* packet_length we accept; RFC 4253 6.1 asks for 35000, OpenSSH sends up to 256 KiB */
#define SSH_PREAUTH_PACKET_MAX 35000u	/* before login nobody needs more than RFC 4253 6.1 */
#define SSH_IDENT_MAX            255u	/* RFC 4253 4.2, with CR LF */
#define SSH_IDENT_LINES         1024u	/* lines a server may send before its identification */
#define SSH_KEXINIT_MAX        32768u	/* all name lists together; real ones stay below 3 KiB */
#define SSH_ALG_NAME_MAX          64u	/* RFC 4251 6 */
#define SSH_HOST_DIGEST         32u	/* SHA-256 of a host key blob */
#define SSH_HASH_MAX              64u	/* SHA-512 */
#define SSH_KEX_PUBLIC_MAX      2048u	/* a DH group18 value is 1,025 bytes, ML-KEM + X25519 1,216 */
#define SSH_KEX_SHARED_MAX      1032u	/* a DH group18 secret as an mpint is 1,029 bytes */
#define SSH_DH_BITS_MIN         2048u	/* RFC 8270 */
#define SSH_DH_BITS_MAX         8192u	/* RFC 4419 3; both exponentiations of an exchange cost 25 ms */
#define SSH_BLOB_MAX           16384u	/* one public key or certificate; RSA 16384 is 2 KiB */
#define SSH_SIG_MAX             4096u	/* RSA 16384 is 2 KiB and a name */
#define SSH_HOSTKEYS_MAX          32u	/* a key and a certificate of each kind, twice (old and new) */
#define SSH_PREAUTH_BYTES   (1u << 20)	/* what a peer may send before login, as OpenSSH since 10.4 */
#define SSH_REKEY_PACKETS (1u << 31)	/* RFC 4344 3.1 */
#define SSH_KEY_PACKETS_MAX (UINT64_C(1) << 32)	/* the same: no key sees a sequence number twice */
#define SSH_KEX_DEADLINE_MS    60000u	/* a key exchange that takes longer ends the connection; a rekey, if nothing moves meanwhile */
#define SSH_KEX_LONGEST_MS    600000u	/* and a rekey in any case */
#define SSH_OUTPUT_HIGH   (1024u * 1024u)	/* stop producing above this many unsent bytes */
#define SSH_OUTPUT_PREAUTH (64u * 1024u)	/* the same before login */
#define SSH_OUTPUT_MAX   (8u << 20)	/* hard cap; a connection that needs more is broken */
#define SSH_INPUT_HIGH  (512u * 1024u)	/* undecrypted input kept; one packet always fits */

/* -- authentication */
#define SSH_USER_MAX             255u	/* LOGIN_NAME_MAX; longer names are nobody */
#define SSH_PASSWORD_MAX        1024u	/* bytes; hashing cost grows with the length (CVE-2016-6515) */
#define SSH_AUTH_REQUESTS        128u	/* requests of any kind per connection, queries included */
#define SSH_PROMPTS_MAX           16u	/* keyboard-interactive prompts per round */
#define SSH_METHODS_MAX          200u	/* method list of USERAUTH_FAILURE */
#define SSH_BANNER_MAX         16384u	/* USERAUTH_BANNER, either way; fits a packet before login */

/* -- connection protocol */
#define SSH_CHANNELS_MAX         256u	/* per connection; OpenSSH clients stay far below */
#define SSH_GLOBAL_REQUESTS_MAX   64u	/* our own unanswered global requests */
#define CHAN_WINDOW      (2u << 20)	/* bytes we offer per channel, as OpenSSH */
#define CHAN_WINDOW_MAX (16u << 20)	/* what it may grow to: 150 MB/s over 100 ms */
#define CHAN_WINDOW_LIMIT (32u << 20)	/* what WindowMax may say: so much a program that stops reading can leave with us */
#define CHAN_GRANT_MAX   (1u << 20)	/* given back at the latest: a quarter of a grown window would be too much at a time */
#define CHAN_RTT_MAX      5000u	/* ms; who answers later than this is slow, not far away */
#define CHAN_MEASURE_MS       10u	/* the clock's ticks are 1 ms: shorter measurements say nothing */
#define CHAN_PACKET        (32u * 1024u)	/* largest DATA we ask for, as OpenSSH */
#define CHAN_PACKET_MIN         1024u	/* a peer that wants smaller packets is refused (CVE-2026-59843 class) */
#define CHAN_SEND_MAX          65536u	/* data in one packet of ours, whatever the peer would take */
#define CHAN_FILL_MAX             16	/* packets one ssh_chan_fill() prepares */
#define CHAN_REQUESTS_MAX         64u	/* unanswered requests of one channel, each way; more is a flood */
#define CHAN_NAME_MAX            255u	/* names of channel types and requests; RFC 4250 4.6.1 asks for 64 */
#define CHAN_TERM_MAX             64u
#define CHAN_MODES_MAX          1024u	/* RFC 4254 8: 5 bytes a mode, 256 opcodes */
#define CHAN_COMMAND_MAX       32768u
#define CHAN_ENV_MAX            8192u	/* all AcceptEnv variables of one channel: names, values, NULs */
#define CHAN_ENV_COUNT            64u

/* -- sftp */
#define SFTP_PACKET_MAX       262144u	/* as OpenSSH; larger ends the session */
#define SFTP_READ_MAX         261120u	/* packet less 1 KiB, as limits@openssh.com tells */
#define SFTP_HANDLES_MAX         256u
#define SFTP_PATH_MAX           4096u
#define SFTP_OUTPUT_HIGH      262144u	/* replies waiting; then requests wait too */
#define SFTP_DIR_BATCH           100u	/* entries in one NAME, as OpenSSH */

/* -- between our processes (ipc/) */
#define IPC_MESSAGE_MAX        65536u	/* fits one SEQPACKET datagram with default buffers */
#define IPC_FDS_MAX               16
#define IPC_QUEUE_MESSAGES       256u
#define IPC_QUEUE_BYTES   (1u << 20)
#define NURSERY_FORKS           1024u	/* then a fresh address layout */

/* -- supervisor */
#define SUP_SESSION_CHANNELS      64u	/* workers one session may have at once */
#define CONF_FILE_MAX      (16u << 20)	/* 10,000 Match blocks are 0.8 MB */
#define CONF_INCLUDE_DEPTH        16u	/* as OpenSSH */

#endif
