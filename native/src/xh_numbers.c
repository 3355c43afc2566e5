/*
 * A float is a whole number of 24 bits times a power of two. Its first 15 digits as a whole number are that times a power
 * of ten: exact in 128 bits for what is usual, so that it is rounded as printf does. The rest is left to printf.
 */
#include "xh_numbers.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DIGITS 15
#define LEAST (-4) /* the exponent below which "%g" writes one */

static const uint64_t fives[DIGITS - LEAST] = {
    1u,          5u,           25u,           125u,           625u,           3125u,         15625u,
    78125u,      390625u,      1953125u,      9765625u,       48828125u,      244140625u,    1220703125u,
    6103515625u, 30517578125u, 152587890625u, 762939453125u,  3814697265625u,
};

/* 10^LEAST to 10^15. No float lies between one of them and the double next to it. */
static const double powers[] = {
    1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
};

static size_t put_text(char *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out, text, len);
    return len;
}

static size_t put_slowly(char *out, float value)
{
    char text[XH_NUMBER_MAX + 1];
    int len = snprintf(text, sizeof text, "%.15g", (double)value);

    memcpy(out, text, (size_t)len);
    return (size_t)len;
}

/* Two digits at a time: "00" to "99". */
static void put_pairs(char *end, uint32_t number, int pairs)
{
    static const char table[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";

    while (pairs--) {
        end -= 2;
        memcpy(end, table + number % 100 * 2, 2);
        number /= 100;
    }
}

/* Digits of 10^14 <= `number` < 10^15, without the zeros at their end. Returns how many. */
static int put_digits(char *digits, uint64_t number)
{
    int count = DIGITS;
    uint32_t high = (uint32_t)(number / 100000000u), low = (uint32_t)(number % 100000000u);

    put_pairs(digits + DIGITS, low, 4);
    put_pairs(digits + 7, high, 3);
    digits[0] = (char)('0' + high / 1000000u);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

/* `digits` are DIGITS, of which `count` are no zeros at the end, and a byte more: copies of a fixed size are quick. */
static size_t put_fixed(char *out, const char *digits, int count, int exponent)
{
    if (exponent < 0) {
        memcpy(out, "0.000", 5);
        memcpy(out + 1 - exponent, digits, DIGITS + 1);
        return (size_t)(1 - exponent + count);
    }
    int whole = exponent + 1;
    memcpy(out, digits, DIGITS + 1);
    if (count <= whole)
        return (size_t)whole;
    out[whole] = '.';
    memcpy(out + whole + 1, digits + whole, (size_t)(DIGITS - whole));
    return (size_t)(count + 1);
}

/* The 15 digits of `mantissa` * 2^`binary`, whose first one is that of 10^`exponent`. */
static uint64_t scale(uint32_t mantissa, int binary, int exponent)
{
    int ten = DIGITS - 1 - exponent, shift = binary + ten;
    unsigned __int128 number = (unsigned __int128)mantissa * fives[ten];

    if (shift >= 0)
        return (uint64_t)(number << shift);
    uint64_t whole = (uint64_t)(number >> -shift), rest = (uint64_t)number & ((UINT64_C(1) << -shift) - 1);
    uint64_t half = UINT64_C(1) << (-shift - 1);
    return whole + (rest > half || (rest == half && (whole & 1)));
}

static size_t put_number(char *out, float value)
{
    size_t sign = 0;
    char digits[DIGITS + 1] = "";
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    uint32_t size = bits & 0x7fffffffu;
    if (size == 0)
        return put_text(out, "0.0");
    if (size > 0x7f800000u)
        return put_text(out, "NaN");
    if (size == 0x7f800000u)
        return put_text(out, bits >> 31 ? "-Infinity" : "Infinity");
    double positive = fabs((double)value);
    if (positive < powers[0] || positive >= 1e14)
        return put_slowly(out, value);
    int binary = (int)(size >> 23) - 127;
    int exponent = (binary * 1233) >> 12; /* log10(2) is a little more than 1233 / 4096, so it may be one too few */
    exponent += positive >= powers[exponent + 1 - LEAST];
    uint64_t number = scale((size & 0x7fffffu) | 0x800000u, binary - 23, exponent);
    if (number >= UINT64_C(1000000000000000))
        return put_slowly(out, value);
    if (bits >> 31)
        out[sign++] = '-';
    return sign + put_fixed(out + sign, digits, put_digits(digits, number), exponent);
}

size_t xh_numbers_write(char *out, const float *values, size_t count, const char *before, size_t before_len,
                        const char *after, size_t after_len)
{
    char *at = out;
    char first[XH_NUMBERS_AROUND] = "", last[XH_NUMBERS_AROUND] = "";

    if (before_len > XH_NUMBERS_AROUND || after_len > XH_NUMBERS_AROUND)
        return 0;
    memcpy(first, before, before_len);
    memcpy(last, after, after_len);
    for (size_t i = 0; i < count; i++) {
        memcpy(at, first, XH_NUMBERS_AROUND);
        at += before_len;
        at += put_number(at, values[i]);
        memcpy(at, last, XH_NUMBERS_AROUND);
        at += after_len;
    }
    return (size_t)(at - out);
}
