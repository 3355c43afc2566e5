// The life of a VM, as Xen Orchestra drives it: `node life.mjs URL TRANSPORT`, with user and password in the URL.
// Prints a line for each step; ends with status 1 at the first thing that is not as it should be.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { createClient } from 'xen-api'

const [url, transport] = process.argv.slice(2)
const MIB = 1024 * 1024
const NULL = 'OpaqueRef:NULL'
const PATIENCE = 60_000

const deadline = setTimeout(() => {
  console.error('not done in time')
  process.exit(1)
}, 3 * PATIENCE)

const xapi = createClient({ url, transport, allowUnauthorized: true, watchEvents: true, eventPollDelay: 200 })
const fetched = new Promise(resolve => xapi.once('eventFetchingSuccess', resolve))

// The cached record of an object, as soon as events have brought it to what is wanted.
async function until(ref, holds) {
  const end = Date.now() + PATIENCE
  for (;;) {
    const found = xapi.getObjectByRef(ref, undefined)
    if (holds(found)) {
      return found
    }
    assert(Date.now() < end, `events never told it of ${ref}: ${JSON.stringify(found)}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const gone = record => record === undefined
const step = async (name, work) => {
  const said = await work()
  console.log(said === undefined ? name : `${name}: ${said}`)
  return said
}

await step('log in and list', async () => {
  await xapi.connect()
  await xapi.objectsFetched
  assert.equal(xapi.pool.$type, 'pool')
  const types = new Set(Object.values(xapi.objects.all).map(each => each.$type))
  for (const type of ['host', 'network', 'PIF', 'pool', 'SR', 'VM']) {
    assert(types.has(type), `there is no ${type} among ${[...types]}`)
  }
})

const templates = await xapi.call('VM.get_by_name_label', 'Other install media')
const vm = await xapi.callAsync('VM.clone', templates[0], `xo-${transport}`)
await xapi.callAsync('VM.provision', vm)
await step('make a VM of a template', async () => {
  await until(vm, record => record?.is_a_template === false)
})

const sr = xapi.pool.default_SR
const network = (await xapi.call('network.get_all'))[0]

async function disk(device, bootable) {
  const VDI = await xapi.call('VDI.create', {
    name_label: `disk ${device}`,
    name_description: '',
    other_config: {},
    read_only: false,
    sharable: false,
    SR: sr,
    type: 'user',
    virtual_size: 8 * MIB,
  })
  const vbd = await xapi.call('VBD.create', {
    bootable,
    empty: false,
    mode: 'RW',
    other_config: {},
    qos_algorithm_params: {},
    qos_algorithm_type: '',
    type: 'Disk',
    unpluggable: true,
    userdevice: device,
    VDI,
    VM: vm,
  })
  return [VDI, vbd]
}

function card(device) {
  return xapi.call('VIF.create', {
    device,
    MAC: '',
    MTU: 1500,
    network,
    other_config: {},
    qos_algorithm_params: {},
    qos_algorithm_type: '',
    VM: vm,
  })
}

const [vdi] = await disk('0', true)
await step('give it a disk and a network card', async () => {
  await card('0')
  const record = await until(vm, record => record.VBDs.length === 1 && record.VIFs.length === 1)
  assert.equal(record.power_state, 'Halted')
  assert.deepEqual((await until(vdi, found => found?.VBDs.length === 1)).VBDs, record.VBDs)
})

await step('set what Xen Orchestra sets', async () => {
  await xapi.setField('VM', vm, 'name_description', 'made by a test')
  await xapi.setFieldEntry('VM', vm, 'other_config', 'test', 'yes')
  await xapi.setFieldEntry('VM', vm, 'other_config', 'test', 'no')
  await xapi.setFieldEntry('VM', vm, 'platform', 'cores-per-socket', '1')
  await xapi.call('VM.add_tags', vm, 'tried')
  await xapi.call('VM.set_memory_limits', vm, 128 * MIB, 256 * MIB, 256 * MIB, 256 * MIB)
  const record = await xapi.barrier(vm)
  assert.equal(record.name_description, 'made by a test')
  assert.equal(record.other_config.test, 'no')
  assert.deepEqual(record.tags, ['tried'])
  assert.equal(Number(record.memory_static_max), 256 * MIB) // text over XML-RPC
  await xapi.setFieldEntry('VM', vm, 'other_config', 'test', null)
  assert.equal((await xapi.barrier(vm)).other_config.test, undefined)
})

await step('start it', async () => {
  await xapi.call('VM.start', vm, false, false)
  const record = await until(vm, record => record.power_state === 'Running')
  assert.notEqual(record.resident_on, NULL)
  const told = await until(vm, record => record.guest_metrics !== NULL)
  const guest = await until(told.guest_metrics, record => record?.os_version.name !== undefined)
  return guest.os_version.name
})

await step('a task that fails says why', async () => {
  await assert.rejects(xapi.callAsync('VM.start', vm, false, false), error => {
    assert.equal(error.code, 'VM_BAD_POWER_STATE')
    assert.deepEqual(
      error.params.map(each => each.toLowerCase()),
      [vm, 'halted', 'running'].map(each => each.toLowerCase())
    )
    return true
  })
})

await step('hot plug a disk and a network card', async () => {
  const [second, vbd] = await disk((await xapi.call('VM.get_allowed_VBD_devices', vm))[0], false)
  await xapi.callAsync('VBD.plug', vbd)
  await until(vbd, record => record?.currently_attached)
  const vif = await card((await xapi.call('VM.get_allowed_VIF_devices', vm))[0])
  await xapi.callAsync('VIF.plug', vif)
  await until(vif, record => record?.currently_attached)
  await xapi.callAsync('VIF.unplug', vif)
  await xapi.callAsync('VBD.unplug', vbd)
  await xapi.call('VIF.destroy', vif)
  await xapi.call('VBD.destroy', vbd)
  await xapi.callAsync('VDI.destroy', second)
  await until(second, gone)
  await until(vm, record => record.VBDs.length === 1 && record.VIFs.length === 1)
})

await step('read its metrics', async () => {
  const uuid = await xapi.getField('VM', vm, 'uuid')
  const query = { cf: 'AVERAGE', host: 'true', interval: 5, json: 'true', start: Math.floor(Date.now() / 1000) - 300 }
  const end = Date.now() + PATIENCE
  for (;;) {
    const answer = await xapi.getResource('/rrd_updates', { query })
    assert.equal(answer.statusCode, 200)
    const { data, meta } = JSON.parse(await answer.body.text())
    assert(data.every(row => row.values.length === meta.legend.length))
    if (meta.legend.some(each => each.startsWith(`AVERAGE:vm:${uuid}:`)) && data.length > 0) {
      return
    }
    assert(Date.now() < end, `no data sources of the VM among ${meta.legend}`)
    await new Promise(resolve => setTimeout(resolve, 500))
  }
})

await step('a task of its own', async () => {
  const task = await xapi.createTask('a test', 'of tasks')
  await xapi.call('task.set_progress', task, 0.5)
  await until(task, record => record?.progress === 0.5)
  await xapi.call('task.set_status', task, 'success')
  await until(task, gone) // the client itself destroys it
})

await step('log in again by itself', async () => {
  const session = xapi.sessionId
  const call = { jsonrpc: '2.0', id: 1, method: 'session.logout', params: [session] }
  const { host } = new URL(url)
  await fetch(`http://${host}/jsonrpc`, { method: 'POST', body: JSON.stringify(call) })
  assert.equal(await xapi.call('VM.get_power_state', vm), 'Running')
  assert.notEqual(xapi.sessionId, session)
})

const snapshot = await step('snapshot it', () => xapi.callAsync('VM.snapshot', vm, 'before'))
await until(vm, record => record.snapshots.includes(snapshot))

await step('shut it down cleanly', async () => {
  await xapi.callAsync('VM.clean_shutdown', vm)
  await until(vm, record => record.power_state === 'Halted' && record.resident_on === NULL)
})

await step('revert it', async () => {
  await xapi.setField('VM', vm, 'name_description', 'after')
  await xapi.callAsync('VM.revert', snapshot)
  await until(vm, record => record.name_description === 'made by a test')
  assert.equal((await xapi.barrier(vm)).VBDs.length, 1)
})

async function bytes(pathname, query) {
  const answer = await xapi.getResource(pathname, { query })
  const found = Buffer.from(await answer.body.arrayBuffer())
  await answer.task
  return found
}

await step('write a disk, and read it back', async () => {
  const content = Buffer.alloc(8 * MIB, 'xenhost ')
  const stream = Object.assign(Readable.from([content]), { length: content.length })
  await xapi.putResource(stream, '/import_raw_vdi/', { query: { format: 'raw', vdi } })
  assert((await bytes('/export_raw_vdi/', { format: 'raw', vdi })).equals(content))
})

// As from a network: piece by piece, and the end some time after the last of them. The client hangs up at the end, whether
// or not everything has left.
async function* slowly(archive) {
  for (let at = 0; at < archive.length; at += 65536) {
    yield archive.subarray(at, at + 65536)
  }
  await new Promise(resolve => setTimeout(resolve, 500))
}

const copy = await step('export it, and import that', async () => {
  const archive = await bytes('/export/', { ref: vm })
  // of unknown length: the client says a pebibyte
  const refs = await xapi.putResource(Readable.from(slowly(archive)), '/import/', { query: { sr_id: sr } })
  return /OpaqueRef:[^<]+/.exec(refs)[0]
})
await until(copy, record => record?.name_description === 'made by a test' && record.VBDs.length === 1)

await step('destroy it', async () => {
  for (const ref of [copy, snapshot, vm]) {
    const disks = await Promise.all((await xapi.getField('VM', ref, 'VBDs')).map(each => xapi.getField('VBD', each, 'VDI')))
    await xapi.callAsync('VM.destroy', ref)
    await until(ref, gone)
    for (const each of disks) {
      await xapi.callAsync('VDI.destroy', each)
      await until(each, gone)
    }
  }
})

await fetched
assert.equal(xapi.watchEventsError, undefined)
await xapi.disconnect()
clearTimeout(deadline)
console.log('all as expected')
process.exit(0)
