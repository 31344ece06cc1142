// What makes one addon load with every C library and every Node: it names no library, and asks for nothing that only some have.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { addonFor, buildSockets } from "./build.mjs";
import { MACHINES, readSharedObject } from "./elf.testkit.mjs";
import { PROCESSORS, processorOf, shippedProcessors } from "./processors.mjs";

/**
 * Under these names glibc and musl have the same functions, with arguments that are numbers, pointers and structures that the kernel laid
 * out. None takes a time (`recvmmsg` is given none), whose width differs on 32-bit processors.
 */
const OF_EVERY_C_LIBRARY = [
  "__errno_location",
  "bind",
  "calloc",
  "close",
  "fclose",
  "fgets",
  "fopen",
  "free",
  "getsockname",
  "getsockopt",
  "madvise",
  "malloc",
  "memchr",
  "memcmp",
  "memcpy",
  "memset",
  // Of libgcc, when a division has no divisor, where the processor does not divide.
  "raise",
  "recvmmsg",
  "sendmmsg",
  "sendto",
  "setsockopt",
  "socket",
  "strlen",
  "strncmp",
  "syscall",
];

/** Asked for weakly: whoever has none does without. */
const OF_GLIBC = ["malloc_trim", "mallopt"];

/** The same: where Node does not show its OpenSSL, the batches are not to be had, and node:crypto does their work. */
const OF_OPENSSL = [
  "CRYPTO_memcmp",
  "EVP_CIPHER_CTX_ctrl",
  "EVP_CIPHER_CTX_free",
  "EVP_CIPHER_CTX_new",
  "EVP_DecryptFinal_ex",
  "EVP_DecryptInit_ex",
  "EVP_DecryptUpdate",
  "EVP_EncryptFinal_ex",
  "EVP_EncryptInit_ex",
  "EVP_EncryptUpdate",
  "EVP_aes_128_ctr",
  "EVP_aes_128_gcm",
  "EVP_aes_256_gcm",
  "OPENSSL_cleanse",
  "SHA1_Final",
  "SHA1_Init",
  "SHA1_Update",
];

/** node_api.h up to version 8, and what uv.h has kept since 1.0. */
const OF_NODE = /^(napi|uv)_/;

const whyNot = new Map(Object.keys(PROCESSORS).map((arch) => [arch, buildSockets(arch)]));
const objectFor = (/** @type {string} */ arch) => readSharedObject(readFileSync(addonFor(arch)));

for (const arch of Object.keys(PROCESSORS)) {
  const skip = whyNot.get(arch) ?? false;
  test(`the addon for ${arch} is for it, and leans on nothing but Node and whatever C library that has`, {
    skip,
  }, () => {
    const { machine, isBigEndian, needed, hasVersions, hasExecutableStack, asked, weak, given } = objectFor(arch);
    assert.deepEqual(
      { machine, isBigEndian },
      { machine: /** @type {Record<string, number>} */ (MACHINES)[arch], isBigEndian: arch === "s390x" },
    );
    assert.deepEqual(
      { needed, hasVersions, hasExecutableStack },
      { needed: [], hasVersions: false, hasExecutableStack: false },
    );
    const others = asked.filter((name) => !OF_NODE.test(name) && ![...OF_GLIBC, ...OF_OPENSSL].includes(name));
    assert.deepEqual(
      others.filter((name) => !OF_EVERY_C_LIBRARY.includes(name)),
      [],
    );
    assert.deepEqual(weak.sort(), [...OF_OPENSSL, ...OF_GLIBC]);
    assert.deepEqual(given.sort(), ["napi_register_module_v1", "node_api_module_get_api_version_v1"]);
  });

  const places = [`/usr/${processorOf(arch).triplet}/lib/libc.so.6`, `/lib/${processorOf(arch).triplet}/libc.so.6`];
  const library = places.find((place) => existsSync(place));
  test(`glibc for ${arch} has all of it`, {
    skip: library === undefined && `${places.join(", ")} are not here`,
  }, () => {
    const { given } = readSharedObject(readFileSync(library ?? ""));
    assert.deepEqual(
      [...OF_EVERY_C_LIBRARY, ...OF_GLIBC].filter((name) => !given.includes(name)),
      [],
    );
  });
}

const musl = "/lib/ld-musl-x86_64.so.1";
test("musl has all of it, and nothing of glibc's", { skip: !existsSync(musl) && `${musl} is not here` }, () => {
  const { given } = readSharedObject(readFileSync(musl));
  assert.deepEqual(
    OF_EVERY_C_LIBRARY.filter((name) => !given.includes(name)),
    [],
  );
  assert.deepEqual(
    OF_GLIBC.filter((name) => given.includes(name)),
    [],
  );
});

test("a bundle holds this machine's addon first, and those of OpenWrt's processors", () => {
  const [first, ...others] = shippedProcessors();
  assert.equal(first, process.arch);
  for (const arch of ["arm64", "arm", "riscv64", "x64"]) assert.ok(arch === first || others.includes(arch), arch);
  assert.equal(new Set(shippedProcessors()).size, others.length + 1);
});

test("what is no ELF file, and no processor, is said", () => {
  assert.throws(() => readSharedObject(Buffer.alloc(64)), RangeError);
  assert.throws(() => readSharedObject(Buffer.alloc(3)), RangeError);
  assert.throws(() => processorOf("vax"), /no processor vax; there are x64, arm64/);
});
