"""XenServer's storage errors: what each number of `SR_BACKEND_FAILURE_<n>` is called and means."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class StorageCode(NamedTuple):
    """One number of the table."""

    number: int
    name: str
    """As plugins name it (`SRNotEmpty`)."""
    text: str
    """What it means, for humans."""


_TABLE: Final = """
1 InvalidArg: an argument is missing or wrong
2 BadCharacter: a name holds a character that cannot be used there
16 SRInUse: the SR, or the device it is on, is in use
19 InvalidDev: there is no such device
20 InvalidSecret: there is no such secret
24 VDIInUse: the VDI is in use
37 LockErr: a lock could not be taken
38 Unimplemented: the driver cannot do that
39 SRNotEmpty: the SR still holds VDIs
40 SRScan: the SR could not be scanned
41 SRLog: the log of the SR could not be replayed
42 SRExists: there is an SR in that place already
43 VDIExists: there is a VDI of that name already
44 SRNoSpace: the SR has no space left
46 VDIUnavailable: the VDI cannot be reached
47 SRUnavailable: the SR cannot be reached
48 SRUnknownType: no driver handles SRs of that type
49 SRBadXML: an XML document could not be understood
50 LVMCreate: a logical volume could not be made
51 LVMDelete: a logical volume could not be removed
52 LVMMount: a volume could not be activated or mounted
53 LVMUnMount: a volume could not be deactivated or unmounted
54 LVMWrite: a volume could not be written to
55 LVMPartCreate: a partition could not be made
56 LVMPartInUse: the partition is in use
57 LVMFilesystem: the volume holds no usable file system
58 LVMMaster: only the master of the SR may do that
59 LVMResize: a logical volume could not be resized
60 LVMSize: the size of a logical volume is wrong
61 FileSRCreate: the directory of the SR could not be made or mounted
62 FileSRRmDir: the directory of the SR could not be removed
63 FileSRDelete: the content of the SR could not be removed
64 VDIRemove: the VDI could not be removed
65 VDILoad: what is known of the VDI could not be read
66 VDIType: the VDI is of a type that cannot be used here
67 ISCSIDevice: the iSCSI device did not appear
68 ISCSILogin: the iSCSI target refused the login, or did not answer it
69 ISCSILogout: the iSCSI session could not be ended
70 ISCSIInitiator: the name of the iSCSI initiator could not be set
71 ISCSIDaemon: the iSCSI daemon does not run
72 NFSVersion: the server does not offer the NFS version that is asked for
73 NFSMount: the NFS export could not be mounted
74 NFSUnMount: the NFS export could not be unmounted
75 NFSAttached: the NFS export is mounted already
76 NFSDelete: the directory on the NFS server could not be removed
77 LVMGroupCreate: the volume group could not be made
78 VDICreate: the VDI could not be created
79 VDISize: the size of the VDI is not possible
80 VDIDelete: the VDI could not be deleted
81 VDIClone: the VDI could not be cloned
82 VDISnapshot: no snapshot of the VDI could be taken
83 ISCSIDiscovery: the iSCSI server did not name its targets
84 ISCSIIQN: the iSCSI target is not the one that was asked for
85 ISCSIDetach: the iSCSI device could not be let go
86 ISCSIQueryDaemon: the iSCSI daemon did not answer
87 ConfigLUNMissing: device-config lacks the LUN
88 NFSCreate: the directory on the NFS server could not be made
89 ConfigLUNIDMissing: device-config lacks LUNid
90 ConfigDeviceMissing: device-config lacks device
91 ConfigDeviceInvalid: device-config names a device that cannot be used
92 VolNotFound: there is no such volume
93 PVSfailed: the physical volumes could not be listed
94 ConfigLocationMissing: device-config lacks location
95 ConfigTargetMissing: device-config lacks target
96 ConfigTargetIQNMissing: device-config lacks targetIQN, or it is not one of the server's
97 ConfigISCSIIQNMissing: the host has no iSCSI initiator name
98 ConfigLUNSerialMissing: device-config lacks the serial number of the LUN
99 LVMOneLUN: an SR of this type has exactly one LUN
100 LVMNoVolume: there is no such volume group or logical volume
101 ConfigServerPathMissing: device-config lacks serverpath
102 ConfigServerMissing: device-config lacks server
103 ConfigServerPathBad: device-config names a path that the server does not export
104 LVMRefCount: how often a volume is in use could not be read or written
105 Rootdev: the device holds the system of this host
106 InvalidIQN: that is no iSCSI name
107 ConfigSCSIid: device-config lacks SCSIid, or no such LUN is to be seen
108 NFSTarget: the NFS server does not answer
109 SnapshotChainTooLong: the chain of snapshots is as long as it may be
110 VDIResize: the VDI could not be resized
111 SMBMount: the SMB share could not be mounted
112 SMBUnMount: the SMB share could not be unmounted
113 SMBAttached: the SMB share is mounted already
114 SMBDelete: the directory on the SMB share could not be removed
115 ConfigParamsMissing: device-config lacks something
116 SMBCreate: the directory on the SMB share could not be made
117 LVMRead: a volume could not be read
118 NoRootDev: the device that holds the system of this host was not found
119 PVMultiIDs: a physical volume is reached under several SCSI ids
120 NAPPTarget: NetApp: the filer does not answer
121 NAPPUsername: NetApp: the user name is missing
122 NAPPPassword: NetApp: the password is missing
123 NAPPAggregate: NetApp: the aggregate is missing or unknown
124 NAPPTargetFailed: NetApp: the filer refused the connection
125 NAPPAuthFailed: NetApp: user name or password are wrong
126 NAPPInsufficientPriv: NetApp: the user may not do that
127 NAPPFVolNum: NetApp: the number of flexible volumes is not possible
128 NAPPSnapLimit: NetApp: the volume takes no more snapshots
129 NAPPSnapNoMem: NetApp: there is no space for a snapshot
130 NAPPUnsupportedVersion: NetApp: the filer's version is not supported
131 NAPPTargetIQN: NetApp: the filer did not tell its iSCSI name
132 NAPPNoISCSIService: NetApp: the filer's iSCSI service does not run
133 NAPPAsisLicense: NetApp: deduplication is not licensed
134 NAPPAsisError: NetApp: deduplication could not be switched on
135 NAPPExclActivate: NetApp: the LUN is in use elsewhere
140 DNSError: the name of the server could not be resolved
141 ISCSITarget: the iSCSI server does not answer
142 ISCSIPort: that is no port number
143 BadRequest: the request could not be understood
144 VDIMissing: the VDI is gone
150 APISession: no session with the management API could be had
151 APILocalhost: the management API does not know this host
152 APIPBDQuery: the management API did not tell this host's PBDs
153 APIFailure: the management API refused a call
154 APIProtocolError: the management API's answer could not be understood
160 EQLTarget: EqualLogic: the group does not answer
161 EQLUsername: EqualLogic: the user name is missing
162 EQLPassword: EqualLogic: the password is missing
163 EQLStoragePool: EqualLogic: the storage pool is missing
164 EQLConnectfail: EqualLogic: the group refused the connection
165 EQLInvalidSnapReserve: EqualLogic: the snapshot reserve is not possible
166 EQLInvalidSnapDepletionKey: EqualLogic: the policy for a full snapshot reserve is unknown
167 EQLVolOutofSpace: EqualLogic: the volume has no space left
168 EQLSnapshotOfSnapshot: EqualLogic: a snapshot has no snapshots
169 EQLPermDenied: EqualLogic: the user may not do that
170 EQLUnsupportedVersion: EqualLogic: the group's version is not supported
171 EQLTargetPort: EqualLogic: the port does not answer
172 EQLInvalidStoragePool: EqualLogic: there is no such storage pool
173 EQLInvalidTargetIP: EqualLogic: the address is wrong
174 EQLInvalidSNMPResp: EqualLogic: an SNMP answer could not be understood
175 EQLInvalidVolMetaData: EqualLogic: what is stored with the volume could not be understood
176 EQLInvalidEOFRecv: EqualLogic: the connection ended too early
180 LVMProvisionAttach: a thinly provisioned volume could not be attached
181 MetadataError: the metadata of the SR could not be read or written
182 ISCSIDelete: the record of an iSCSI target could not be removed
200 EIO: input or output failed
201 EGAIN: not possible at the moment
202 SMGeneral: the driver failed
203 FistPoint: a fault was injected for a test
204 LeafGCSkip: the leaf is not merged for now
205 VBDListNotStable: the VBDs of the VDI changed meanwhile
220 ISODconfMissingLocation: device-config lacks location
221 ISOMustHaveISOExtension: the name of an image must end in .iso
222 ISOMountFailure: the share with the images could not be mounted
223 ISOUnmountFailure: the share with the images could not be unmounted
224 ISOSharenameFailure: that is no name of a share
225 ISOLocationStringError: location could not be understood
226 ISOLocalPath: there is no such local directory
227 ISOInvalidSMBversion: there is no such version of SMB
228 ISOInvalidXeMountOptions: those mount options are not possible
413 XMLParse: an XML document could not be parsed
430 MultipathdCommsFailure: multipathd does not answer
431 MultipathGenericFailure: multipathing failed
432 MultipathMapperPathMissing: the multipath device is missing
433 MultipathDeviceNotAppeared: the multipath device did not appear
434 MultipathDeviceNoScsiid: the device of a multipath map has no SCSI id
445 TapdiskAlreadyRunning: the image is being served already
446 CIFSExtendedCharsNotSupported: an SMB user name or password holds characters that cannot be used
447 IllegalXMLChar: a name holds a character that XML cannot hold
448 UnsupportedKernel: the kernel lacks what is needed
449 OCFSOneLUN: an OCFS SR has exactly one LUN
450 OCFSMount: the OCFS file system could not be mounted
451 OCFSUnMount: the OCFS file system could not be unmounted
452 OCFSFilesystem: the OCFS file system could not be made
453 TapdiskFailed: the process that serves the image failed
454 NoSMBLicense: SMB is not licensed
455 VGReg: the volume group could not be registered
456 TapdiskDriveEmpty: the drive holds no medium
457 CBTActivateFailed: changed block tracking could not be started
458 CBTDeactivateFailed: changed block tracking could not be stopped
459 CBTMetadataInconsistent: what is known of changed blocks is not complete
460 CBTChangedBlocksError: the changed blocks could not be told
461 SharedFileSystemNoWrite: the shared file system cannot be written to
1200 GenericException: the driver failed in a way it did not foresee
"""


def _read(lines: Iterable[str]) -> Mapping[int, StorageCode]:
    codes = {}
    for line in lines:
        head, text = line.split(": ", 1)
        number, name = head.split(" ")
        codes[int(number)] = StorageCode(int(number), name, text)
    return codes


STORAGE_CODES: Final[Mapping[int, StorageCode]] = MappingProxyType(_read(_TABLE.strip().splitlines()))
"""By number. A plugin may use others."""


def describe(number: int) -> str:
    """What a number means; for one that is not in the table, just that."""
    code = STORAGE_CODES.get(number)
    return code.text if code else f"error {number} of the driver, which XenServer's table does not have"
