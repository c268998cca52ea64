#!/usr/bin/node
/* npm's ssh2, from $NODE_PATH. What a driver is: run. */
'use strict';
const fs = require('fs');
const path = require('path');
const main = require.resolve('ssh2');
const { Client } = require('ssh2');
const constants = require(path.join(path.dirname(main), 'protocol', 'constants.js'));

const names = { kex: 'kex', hostkey: 'serverHostKey', cipher: 'cipher', mac: 'hmac', comp: 'compress' };
const tables = {
	kex: constants.SUPPORTED_KEX, hostkey: constants.SUPPORTED_SERVER_HOST_KEY, userkey: constants.SUPPORTED_SERVER_HOST_KEY,
	cipher: constants.SUPPORTED_CIPHER, mac: constants.SUPPORTED_MAC, comp: constants.SUPPORTED_COMPRESSION,
};

function known() {
	const version = JSON.parse(fs.readFileSync(path.join(path.dirname(main), '..', 'package.json'))).version;
	console.log('version ssh2 ' + version + ', node ' + process.version);
	for (const kind in tables)
		for (const name of tables[kind])
			console.log(kind + ' ' + name);
}

function run(a) {
	const hosts = fs.readFileSync(a.hostpub, 'utf8').trim().split('\n').map((line) => Buffer.from(line.split(' ')[1], 'base64'));
	const algorithms = {};
	for (const kind in names)
		if (a[kind] !== undefined)
			algorithms[names[kind]] = [a[kind]];
	const c = new Client();
	c.on('error', (e) => { console.error(e.message); process.exit(255); });
	c.on('ready', () => c.exec(a.command, (e, stream) => {
		if (e)
			throw e;
		let status = 255;
		stream.on('exit', (code) => { status = code; });
		stream.on('close', () => { c.end(); process.exitCode = status; });
		stream.pipe(process.stdout);
		process.stdin.pipe(stream);
	}));
	c.connect({
		host: a.host, port: Number(a.port), username: a.user, privateKey: fs.readFileSync(a.key), algorithms,
		hostVerifier: (key) => hosts.some((host) => key.equals(host)),
	});
}

if (process.argv[2] === 'known')
	known();
else
	run(Object.fromEntries(process.argv.slice(3).map((w) => [w.slice(0, w.indexOf('=')), w.slice(w.indexOf('=') + 1)])));
