#!/usr/bin/env node
import { main } from '../program/cli.js';

await main();
