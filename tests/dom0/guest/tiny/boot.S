/*
 * Boot sector of the HVM guest: from a hard disk it loads the rest, from a CD (El Torito without emulation) the firmware
 * has loaded everything. Then to 32-bit mode with flat segments, and to the guest at 64 KiB.
 */
        .set    GUEST, 0x10000
        .code16
        .globl  _boot
_boot:  ljmp    $0, $1f
1:      xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7c00, %sp
        cld
#ifdef CD
        mov     $GUEST >> 4, %ax
        mov     %ax, %es
        mov     $0x7c00 + 2048, %si
        xor     %di, %di
        mov     $SECTORS * 512 / 2, %cx
        rep movsw
#else
        mov     $packet, %si
        mov     $0x42, %ah
        int     $0x13
        jc      failed
#endif
        cli
        lgdt    gdt_address
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $8, $flat
failed: mov     $0x0e46, %ax            /* F */
        int     $0x10
1:      hlt
        jmp     1b

        .code32
flat:   mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
        mov     $GUEST, %eax
        jmp     *%eax

        .balign 8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_address:
        .word   . - gdt - 1
        .long   gdt
packet: .byte   16, 0
        .word   SECTORS, 0, GUEST >> 4
        .quad   1
        .org    _boot + 510
        .word   0xaa55
        .section .note.GNU-stack, "", @progbits
