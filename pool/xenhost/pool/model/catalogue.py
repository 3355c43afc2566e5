"""Every class of the API, and the model they make together."""

from typing import Final

from xenhost.pool.model.auth import AUTH
from xenhost.pool.model.blob import BLOB
from xenhost.pool.model.bond import BOND
from xenhost.pool.model.caller import CALLER
from xenhost.pool.model.certificate import CERTIFICATE
from xenhost.pool.model.cluster import CLUSTER
from xenhost.pool.model.cluster_host import CLUSTER_HOST
from xenhost.pool.model.console import CONSOLE
from xenhost.pool.model.crashdump import CRASHDUMP
from xenhost.pool.model.data_source import DATA_SOURCE
from xenhost.pool.model.dr_task import DR_TASK
from xenhost.pool.model.driver_variant import DRIVER_VARIANT
from xenhost.pool.model.enums import ENUMS
from xenhost.pool.model.event import EVENT
from xenhost.pool.model.feature import FEATURE
from xenhost.pool.model.gpu_group import GPU_GROUP
from xenhost.pool.model.host import HOST
from xenhost.pool.model.host_cpu import HOST_CPU
from xenhost.pool.model.host_crashdump import HOST_CRASHDUMP
from xenhost.pool.model.host_driver import HOST_DRIVER
from xenhost.pool.model.host_metrics import HOST_METRICS
from xenhost.pool.model.host_patch import HOST_PATCH
from xenhost.pool.model.lvhd import LVHD
from xenhost.pool.model.message import MESSAGE
from xenhost.pool.model.network import NETWORK
from xenhost.pool.model.network_sriov import NETWORK_SRIOV
from xenhost.pool.model.observer import OBSERVER
from xenhost.pool.model.pbd import PBD
from xenhost.pool.model.pci import PCI
from xenhost.pool.model.pgpu import PGPU
from xenhost.pool.model.pif import PIF
from xenhost.pool.model.pif_metrics import PIF_METRICS
from xenhost.pool.model.pool import POOL
from xenhost.pool.model.pool_patch import POOL_PATCH
from xenhost.pool.model.pool_update import POOL_UPDATE
from xenhost.pool.model.probe_result import PROBE_RESULT
from xenhost.pool.model.pusb import PUSB
from xenhost.pool.model.pvs_cache_storage import PVS_CACHE_STORAGE
from xenhost.pool.model.pvs_proxy import PVS_PROXY
from xenhost.pool.model.pvs_server import PVS_SERVER
from xenhost.pool.model.pvs_site import PVS_SITE
from xenhost.pool.model.rate_limit import RATE_LIMIT
from xenhost.pool.model.repository import REPOSITORY
from xenhost.pool.model.role import ROLE
from xenhost.pool.model.sdn_controller import SDN_CONTROLLER
from xenhost.pool.model.secret import SECRET
from xenhost.pool.model.session import SESSION
from xenhost.pool.model.sm import SM
from xenhost.pool.model.sr import SR
from xenhost.pool.model.sr_stat import SR_STAT
from xenhost.pool.model.subject import SUBJECT
from xenhost.pool.model.task import TASK
from xenhost.pool.model.tunnel import TUNNEL
from xenhost.pool.model.usb_group import USB_GROUP
from xenhost.pool.model.user import USER
from xenhost.pool.model.vbd import VBD
from xenhost.pool.model.vbd_metrics import VBD_METRICS
from xenhost.pool.model.vdi import VDI
from xenhost.pool.model.vdi_nbd_server_info import VDI_NBD_SERVER_INFO
from xenhost.pool.model.vgpu import VGPU
from xenhost.pool.model.vgpu_type import VGPU_TYPE
from xenhost.pool.model.vif import VIF
from xenhost.pool.model.vif_metrics import VIF_METRICS
from xenhost.pool.model.vlan import VLAN
from xenhost.pool.model.vm import VM
from xenhost.pool.model.vm_appliance import VM_APPLIANCE
from xenhost.pool.model.vm_group import VM_GROUP
from xenhost.pool.model.vm_guest_metrics import VM_GUEST_METRICS
from xenhost.pool.model.vm_metrics import VM_METRICS
from xenhost.pool.model.vmpp import VMPP
from xenhost.pool.model.vmss import VMSS
from xenhost.pool.model.vtpm import VTPM
from xenhost.pool.model.vusb import VUSB
from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.model import Model

CLASSES: Final[tuple[Class, ...]] = (
    SESSION,
    AUTH,
    SUBJECT,
    ROLE,
    TASK,
    EVENT,
    POOL,
    POOL_PATCH,
    VM,
    VM_METRICS,
    VM_GUEST_METRICS,
    VMPP,
    VM_APPLIANCE,
    DR_TASK,
    HOST,
    HOST_CRASHDUMP,
    HOST_PATCH,
    HOST_METRICS,
    HOST_CPU,
    NETWORK,
    VIF,
    VIF_METRICS,
    PIF,
    PIF_METRICS,
    BOND,
    VLAN,
    SM,
    SR,
    VDI,
    VBD,
    VBD_METRICS,
    PBD,
    CRASHDUMP,
    VTPM,
    CONSOLE,
    USER,
    DATA_SOURCE,
    BLOB,
    MESSAGE,
    SECRET,
    TUNNEL,
    PCI,
    PGPU,
    GPU_GROUP,
    VGPU,
    VGPU_TYPE,
    POOL_UPDATE,
    VMSS,
    SR_STAT,
    PROBE_RESULT,
    LVHD,
    NETWORK_SRIOV,
    PVS_SITE,
    PVS_SERVER,
    PVS_PROXY,
    PVS_CACHE_STORAGE,
    FEATURE,
    SDN_CONTROLLER,
    VDI_NBD_SERVER_INFO,
    PUSB,
    USB_GROUP,
    VUSB,
    CLUSTER,
    CLUSTER_HOST,
    CERTIFICATE,
    REPOSITORY,
    OBSERVER,
    VM_GROUP,
    HOST_DRIVER,
    DRIVER_VARIANT,
    CALLER,
    RATE_LIMIT,
)
"""In the order of the reference."""

MODEL: Final = Model(CLASSES, ENUMS)
