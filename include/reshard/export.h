/* SPDX-License-Identifier: MIT */
/** @file export.h
 * Symbol visibility and C++ linkage. Every public header starts with this one.
 */
#ifndef RESHARD_EXPORT_H
#define RESHARD_EXPORT_H

#ifdef __cplusplus
#define RESHARD_BEGIN_DECLS extern "C" {
#define RESHARD_END_DECLS }
#else
#define RESHARD_BEGIN_DECLS
#define RESHARD_END_DECLS
#endif

#if defined(__GNUC__) && defined(RESHARD_BUILDING)
#define RESHARD_API __attribute__((visibility("default")))
#else
#define RESHARD_API
#endif

#endif
